"""COCO json as a data set with checked names."""

from typing import Any

from mmdet.registry import DATASETS

from detplug.data.annotation_cache import cached_records
from detplug.data.checked import CheckedDataset
from detplug.data.coco_file import read_coco
from detplug.data.records import ImageRecord


@DATASETS.register_module()
class CheckedCocoDataset(CheckedDataset):
    """Detection data set of one COCO json (``ann_file``); images lie in ``data_prefix['img']``. See CheckedDataset.

    Args:
        with_masks: read COCO's segmentations, for a pipeline with ``LoadAnnotations(with_mask=True)``.
        **kwargs: as CheckedDataset.
    """

    def __init__(self, *, with_masks: bool = False, **kwargs: Any) -> None:
        self.with_masks = with_masks
        super().__init__(**kwargs)

    def read(self) -> tuple[list[str], list[ImageRecord], list[str]]:
        """Categories, images and repeated entries of ``ann_file``."""
        variant = 'masks' if self.with_masks else 'boxes'
        return cached_records(self.ann_file, variant, lambda: read_coco(self.ann_file, self.with_masks))
