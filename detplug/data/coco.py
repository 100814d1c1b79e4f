"""COCO json as a data set with checked names."""

from mmdet.registry import DATASETS

from detplug.data.checked import CheckedDataset
from detplug.data.coco_file import read_coco
from detplug.data.records import ImageRecord


@DATASETS.register_module()
class CheckedCocoDataset(CheckedDataset):
    """Detection data set of one COCO json (``ann_file``); images lie in ``data_prefix['img']``. See CheckedDataset."""

    def read(self) -> tuple[list[str], list[ImageRecord], list[str]]:
        """Categories, images and repeated entries of ``ann_file``."""
        return read_coco(self.ann_file)
