"""Unlabelled images: every picture of a folder, no annotation file."""

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from detplug.images.sources import IMAGE, list_items


@DATASETS.register_module()
class ImageFolder(BaseDetDataset):
    """The pictures of one folder as unlabelled images; without hidden labels there is no diagnosis.

    Args:
        folder: its image files are taken, and those of all folders in it.
        metainfo: ``dict(classes=(...))`` of the labelled data set.
        pipeline: as of the unlabelled part of any other data set.
    """

    def __init__(self, folder: str, metainfo: dict | None = None, pipeline: list | tuple = ()):
        self.folder = folder
        super().__init__(metainfo=metainfo, pipeline=list(pipeline))

    def load_data_list(self) -> list[dict]:
        items = list_items([self.folder])
        paths = [item.path for item in items if item.kind == IMAGE]
        for line in items.skipped_lines():
            print_log(line, logger='current')
        return [dict(img_path=str(path), img_id=str(path.relative_to(self.folder))) for path in paths]

    def filter_data(self) -> list[dict]:
        """Every picture stays."""
        return self.data_list
