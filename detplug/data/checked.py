"""Base of the data sets: names are checked, boxes are cleaned and each change is listed, nothing is lost silently."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdet.datasets import BaseDetDataset
from mmengine.fileio import join_path
from mmengine.logging import print_log
from mmengine.utils import is_abs

from detplug.data.image_lists import read_image_list, select_images
from detplug.images.reading import check_image_file, read_image
from detplug.data.label_errors import apply_label_errors
from detplug.data.names import check_lists, check_names
from detplug.data.records import ImageRecord, ObjectRecord, clean_boxes
from detplug.errors import UserError


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

    def load_data_list(self) -> list[dict]:
        """Items of the split, in the order of ``images_file`` where given, else of the annotation file."""
        found, records, self.anomalies = self.read()
        self.label_of = check_names(found, source=self.source, **self.names)
        records = self._split(records)
        self.anomalies += apply_label_errors(records, self.known_label_errors, self.source)
        items = [self._item(record) for record in records]
        self._log_anomalies(len(items))
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
        if len(kept) < len(self.data_list):
            self.anomalies.append(f'images dropped by filter_cfg: {self.source}: {len(self.data_list) - len(kept)}')
            print_log(self.anomalies[-1], logger='current')
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
        if self.exclude_key is not None:
            left_out = set(read_image_list(path, self.exclude_key))
            names = [name for name in names if name not in left_out]
        return select_images(records, names, f'{path}: {self.images_key or "names"}')

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

    def _log_anomalies(self, count: int) -> None:
        kinds = Counter(line.partition(':')[0] for line in self.anomalies)
        if kinds:
            summary = ', '.join(f'{times} x {kind}' for kind, times in kinds.items())
            print_log(f'{self.source}: {count} images; {summary} (dataset.anomalies lists them)', logger='current')
