"""Unlabelled images: every picture of a folder, no annotation file."""

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from detplug.cli.inputs import find_images


@DATASETS.register_module()
class ImageFolder(BaseDetDataset):
    """The pictures of one folder as unlabelled images; without hidden labels there is no diagnosis.

    Args:
        folder: its pictures are taken, not those of folders in it.
        metainfo: ``dict(classes=(...))`` of the labelled data set.
        pipeline: as of the unlabelled part of any other data set.
    """

    def __init__(self, folder: str, metainfo: dict | None = None, pipeline: list | tuple = ()):
        self.folder = folder
        super().__init__(metainfo=metainfo, pipeline=list(pipeline))

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(path), img_id=path.name) for path in find_images([self.folder])]

    def filter_data(self) -> list[dict]:
        """Every picture stays."""
        return self.data_list
