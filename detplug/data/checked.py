"""Base of the data sets: names are checked, boxes are cleaned and each change is listed, nothing is lost silently."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdet.datasets import BaseDetDataset
from mmengine.fileio import join_path
from mmengine.utils import is_abs

from detplug.data.anomalies import AnnotationAudit
from detplug.data.collector import paused_collector
from detplug.data.image_lists import list_name, read_image_list, select_images
from detplug.data.label_errors import apply_label_errors
from detplug.data.missing_sizes import fill_sizes
from detplug.data.names import check_lists, check_names
from detplug.data.records import ImageRecord, ObjectRecord, clean_boxes, one_line
from detplug.errors import UserError
from detplug.images.reading import check_image_file, read_image


class CheckedDataset(BaseDetDataset):
    """A detection data set whose labels follow the names in the config; subclasses read one annotation format.

    Args:
        metainfo: ``dict(classes=(...))``, the known classes in label order.
        unknown_classes: names whose boxes go to ``unknown_instances``: never training targets, never scored.
        ignore_classes: names whose boxes are ignore regions.
        images_file: text file or json that lists the images of the split; all images by default.
        images_key: name of the list in a json ``images_file``, or several (their union).
        exclude_key: name of a list in the json ``images_file`` whose images are left out.
        known_label_errors: see ``label_errors.apply_label_errors``.
        **kwargs: as mmdet's BaseDetDataset: ann_file, data_root, data_prefix, pipeline, filter_cfg, test_mode, indices.

    Each item has img_path, img_id, height, width (px), ``instances`` = [dict(bbox xyxy px, bbox_label, ignore_flag,
    area px^2)] and ``unknown_instances`` = [dict(bbox, name, ignore_flag)]. A box of ``ignore_classes`` may hold any
    class, so it is an ignored instance once for every class. An image without boxes is valid and kept.

    Attributes:
        anomalies: list of lines ``KIND: FILE: details``, one for each change to what the file says.
        audit: the anomalies with the number of images and boxes, see ``anomalies.AnnotationAudit``.

    Raises:
        UserError: every wrong input, in one line.
    """

    def __init__(
        self,
        *,
        metainfo: Mapping | None = None,
        unknown_classes: Sequence[str] = (),
        ignore_classes: Sequence[str] = (),
        images_file: str | None = None,
        images_key: str | Sequence[str] | None = None,
        exclude_key: str | None = None,
        known_label_errors: Sequence[Mapping] = (),
        **kwargs,
    ) -> None:
        self.names = dict(
            classes=(metainfo or {}).get('classes', ()), unknown_classes=unknown_classes, ignore_classes=ignore_classes
        )
        check_lists(**self.names, source=str(kwargs.get('ann_file') or kwargs.get('data_root') or 'data set'))
        self.images_file, self.images_key, self.exclude_key = images_file, images_key, exclude_key
        self.known_label_errors = known_label_errors
        self.anomalies: list[str] = []
        super().__init__(metainfo={**(metainfo or {}), **self.names}, **kwargs)

    def read(self) -> tuple[list[str], list[ImageRecord], list[str]]:
        """(names in the annotations, records of all images, anomalies)."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """What messages call the annotations."""
        return str(self.ann_file)

    @property
    def split_name(self) -> str:
        """What messages call the annotations of the split: the annotations and the list of its images."""
        return (
            self.source
            if self.images_file is None
            else f'{self.source} ({list_name(self.images_file, self.images_key)})'
        )

    def load_data_list(self) -> list[dict]:
        """Items of the split, in the order of ``images_file`` where given, else of the annotation file."""
        with paused_collector():
            return self._data_list()

    def _data_list(self) -> list[dict]:
        names, records, self.anomalies = self.read()
        self.label_of = check_names(names, source=self.source, complete=not self.test_mode, **self.names)
        self.anomalies += [
            f'class without annotation: {self.source}: {one_line(name)}' for name in self.label_of if name not in names
        ]
        records = self._split(records)
        self.anomalies += fill_sizes(records, self.data_prefix.get('img', ''), self.source)
        boxes = sum(len(record.objects) for record in records)
        self.anomalies += apply_label_errors(records, self.known_label_errors, self.source)
        items = [self._item(record) for record in records]
        targets = sum(not x['ignore_flag'] for item in items for x in item['instances'] + item['unknown_instances'])
        self.audit = AnnotationAudit(self.split_name, len(records), boxes, self.anomalies, targets)
        return items

    def filter_data(self) -> list[dict]:
        """Drop images in training as ``filter_cfg`` (filter_empty_gt, min_size px) says; by default none."""
        rules = self.filter_cfg or {}
        if self.test_mode or not rules:
            return self.data_list
        smallest, drop_empty = rules.get('min_size', 0), rules.get('filter_empty_gt', False)
        kept = [
            item
            for item in self.data_list
            if min(item['width'], item['height']) >= smallest and (item['instances'] or not drop_empty)
        ]
        ids = {item['img_id'] for item in kept}
        self.anomalies += [
            f'image dropped by filter_cfg: {one_line(item["img_path"])}: {item["width"]}x{item["height"]}, '
            f'{len(item["instances"])} instances'
            for item in self.data_list
            if item['img_id'] not in ids
        ]
        if not kept:
            raise UserError(f'{self.split_name}: filter_cfg: {dict(rules)} drops all {len(self.data_list)} images')
        return kept

    def prepare_data(self, idx: int) -> dict:
        """Item ``idx`` through the pipeline; a missing or broken image is named."""
        item = self.get_data_info(idx)
        path = item['img_path']
        if self.test_mode:
            check_image_file(path)
        try:
            return self.pipeline(item)
        except UserError:
            raise
        except Exception:
            read_image(path)  # raises the UserError where the file is the cause
            raise

    def _split(self, records: list[ImageRecord]) -> list[ImageRecord]:
        if self.images_file is None:
            if self.images_key is not None or self.exclude_key is not None:
                raise UserError(f'{self.source}: images_key, exclude_key: need images_file, the file that lists images')
            return records
        path = self._in_root(self.images_file)
        names = read_image_list(path, self.images_key)
        source = f'{path}: {list_name("names", self.images_key)}'
        selected = select_images(records, names, source)
        left_out = read_image_list(path, self.exclude_key) if self.exclude_key is not None else []
        if left_out:
            others = {id(record) for record in select_images(records, left_out, f'{path}: {self.exclude_key}')}
            selected = [record for record in selected if id(record) not in others]
        if not selected:
            raise UserError(f'{source}: exclude_key: all of its images are in {self.exclude_key} too')
        return selected

    def _item(self, record: ImageRecord) -> dict:
        objects, anomalies = clean_boxes(record)
        self.anomalies += anomalies
        instances, unknown = [], []
        for item in objects:
            if item.name in self.names['unknown_classes']:
                unknown.append(dict(bbox=list(item.box), name=item.name, ignore_flag=int(item.ignored)))
            else:
                instances += self._instances(item)
        return dict(
            img_path=str(Path(self.data_prefix.get('img', '')) / record.file_name),
            img_id=record.img_id,
            height=record.height,
            width=record.width,
            instances=instances,
            unknown_instances=unknown,
        )

    def _instances(self, item: ObjectRecord) -> list[dict]:
        any_class = item.name in self.names['ignore_classes']
        labels = range(len(self.label_of)) if any_class else [self.label_of[item.name]]
        return [
            dict(bbox=list(item.box), bbox_label=label, ignore_flag=int(any_class or item.ignored), area=item.area)
            | ({} if item.mask is None else dict(mask=item.mask))
            for label in labels
        ]

    def _in_root(self, path: str) -> str:
        return path if is_abs(path) or not self.data_root else join_path(self.data_root, path)
