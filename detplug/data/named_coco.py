"""mmdet's CocoDataset with labels by name, for what CheckedCocoDataset does not read: segmentation maps, texts."""

from collections.abc import Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.dist import is_main_process

from detplug.data.anomalies import AnnotationAudit
from detplug.data.missing_sizes import fill_sizes
from detplug.data.names import check_names
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError


def category_ids(categories: Sequence[dict], classes: Sequence[str], source: str) -> list[int]:
    """The id of each of ``classes``, whatever the order of the file's ``categories``.

    Raises:
        UserError: a class that the file does not have; the line shows both sides.
    """
    ids = {entry['name']: entry['id'] for entry in categories}
    check_names(list(ids), classes, ignore_classes=[name for name in ids if name not in set(classes)], source=source)
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
        ids = category_ids(categories, cat_names, self.source)
        others = [entry['name'] for entry in categories if entry['name'] not in set(cat_names)]
        if others and is_main_process():
            print(f'{self.source}: left out, in no list of classes: {", ".join(others[:20])}', flush=True)
        return ids


@DATASETS.register_module()
class NamedCocoDataset(CocoDataset):
    """CocoDataset whose label n is the n-th of its classes."""

    COCOAPI = NamedCOCO
    METAINFO = CocoDataset.METAINFO

    def load_data_list(self) -> list[dict]:
        """mmdet's items, and in ``audit`` a line for each box that mmdet leaves out without a word."""
        self.anomalies: list[str] = []
        self.box_count = 0
        items = super().load_data_list()
        self.audit = AnnotationAudit(str(self.ann_file), len(items), self.box_count, self.anomalies)
        return items

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """The item of one image."""
        image = raw_data_info['raw_img_info']
        record = ImageRecord(
            image['id'], image['file_name'].replace('\\', '/'), image.get('width'), image.get('height')
        )
        if record.file_name != image['file_name']:
            self.anomalies.append(f'backslash in file_name read as slash: {one_line(image["file_name"])}')
        self.anomalies += fill_sizes([record], self.data_prefix['img'], self.ann_file)
        image.update(file_name=record.file_name, width=record.width, height=record.height)
        annotations = [x for x in raw_data_info['raw_ann_info'] if x['category_id'] in self.cat2label]
        self.box_count += len(annotations)
        for item in annotations:
            kind = reason_to_drop(item, image)
            if kind:
                name = one_line(image['file_name'])
                self.anomalies.append(f'{kind}: {name}: object {item["id"]}: x, y, width, height {item["bbox"]}')
        return super().parse_data_info(raw_data_info)

    def filter_data(self) -> list[dict]:
        """The images that ``filter_cfg`` leaves, each of the others listed.

        Raises:
            UserError: it leaves none.
        """
        kept = super().filter_data()
        ids = {item['img_id'] for item in kept}
        dropped = [item['img_path'] for item in self.data_list if item['img_id'] not in ids]
        self.anomalies += [f'image dropped by filter_cfg: {one_line(path)}' for path in dropped]
        if not kept:
            rules = dict(self.filter_cfg or {})
            raise UserError(f'{self.ann_file}: filter_cfg: {rules} drops all {len(dropped)} images')
        return kept


def reason_to_drop(item: dict, image: dict) -> str | None:
    """The kind of anomaly for which mmdet's CocoDataset leaves an annotation out, None where it is kept."""
    x, y, width, height = item['bbox']
    inside = min(x + width, image['width']) > max(x, 0) and min(y + height, image['height']) > max(y, 0)
    kinds = (
        (item.get('ignore', False), "box with 'ignore' dropped"),
        (width <= 0 or height <= 0, 'degenerate box dropped'),
        (not inside, 'box outside the image dropped'),
        (width < 1 or height < 1, 'degenerate box dropped (below 1 px)'),
        (item['area'] <= 0, 'degenerate box dropped (area 0)'),
    )
    return next((kind for holds, kind in kinds if holds), None)
