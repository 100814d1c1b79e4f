"""mmdet's CocoDataset with labels by name, for what CheckedCocoDataset does not read: segmentation maps, texts."""

from collections.abc import Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.dist import is_main_process

from detplug.data.names import check_names


def category_ids(categories: Sequence[dict], classes: Sequence[str], source: str) -> list[int]:
    """The id of each of ``classes``, whatever the order of the file's ``categories``.

    Raises:
        UserError: a class that the file does not have; the line shows both sides.
    """
    ids = {entry['name']: entry['id'] for entry in categories}
    check_names(
        list(ids), classes, ignore_classes=[name for name in ids if name not in set(classes)], source=source
    )
    return [ids[name] for name in classes]


class NamedCOCO(COCO):
    """mmdet's reader, which gives the ids of names in the order of the names, not of the file."""

    def __init__(self, annotation_file: str | None = None):
        super().__init__(annotation_file=annotation_file)
        self.source = str(annotation_file)

    def get_cat_ids(self, cat_names: Sequence[str] = (), sup_names: Any = (), cat_ids: Any = ()) -> list[int]:
        """Ids of ``cat_names``; other names of the file are said to be left out.

        Raises:
            UserError: a name that the file does not have.
        """
        if not cat_names:
            return super().get_cat_ids(list(cat_names), list(sup_names), list(cat_ids))
        categories = self.dataset['categories']
        found = category_ids(categories, cat_names, self.source)
        others = [entry['name'] for entry in categories if entry['name'] not in set(cat_names)]
        if others and is_main_process():
            print(f'{self.source}: left out, in no list of classes: {", ".join(others[:20])}', flush=True)
        return found


@DATASETS.register_module()
class NamedCocoDataset(CocoDataset):
    """CocoDataset whose label n is the n-th of its classes."""

    COCOAPI = NamedCOCO
    METAINFO = CocoDataset.METAINFO
