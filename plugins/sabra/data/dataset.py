"""The data set of relations: one file of the project's format, labels by the names of the config."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.fileio import join_path
from mmengine.utils import is_abs

from detplug.data.anomalies import AnnotationAudit
from detplug.data.image_lists import list_name, read_image_list, select_images
from detplug.errors import UserError
from detplug.images.reading import check_image_file, read_image

from ..relations import RelationImage, RelationNames
from .anomalies import degenerate_boxes
from .match_names import match_names
from .merge_objects import merge_objects
from .relation_file import read_with_crowds


@DATASETS.register_module()
class RelationDataset(BaseDetDataset):
    """Images with objects and relations.

    Args:
        metainfo: ``dict(classes=(...), predicates=(...))``. Each list has exactly the names of the file, in any order;
            labels follow the list. A list that is not given is the file's.
        images_file: text file or json that lists the images of the split; all images by default.
        images_key: name of the list in a json ``images_file``, or several (their union).
        merge_iou: for training: objects of one class that overlap so much become one, see merge_objects.py; by default
            none do.
        **kwargs: as mmdet's BaseDetDataset: ann_file, data_root, data_prefix, pipeline, test_mode, indices.

    Each item has img_path, img_id, height, width (px), ``instances`` = [dict(bbox xyxy px, bbox_label, ignore_flag)]
    and ``relation_truth`` = :class:`RelationImage`, whose indices count ``instances``; name it in the ``meta_keys`` of
    PackDetInputs to carry it to the metric. A crowd and a box without area have ignore_flag 1, none is left out. The
    picture is opened by the pipeline only: without a loading transform it need not exist.

    Attributes:
        metainfo: classes, predicates, triplets ((class, predicate), ... or None) and rare (a bool for each triplet, or
            None), all as plain tuples.
        anomalies: list of lines ``KIND: FILE: details``, of the whole file.
        audit: the anomalies with the number of images and boxes, see ``detplug.data.anomalies``.

    Raises:
        UserError: every wrong input, in one line.
    """

    def __init__(
        self,
        *,
        metainfo: Mapping | None = None,
        images_file: str | None = None,
        images_key: str | Sequence[str] | None = None,
        merge_iou: float | None = None,
        **kwargs,
    ) -> None:
        self.images_file, self.images_key, self.merge_iou = images_file, images_key, merge_iou
        if merge_iou is not None and not 0 < merge_iou <= 1:
            raise UserError(f'{kwargs.get("ann_file")}: merge_iou: {merge_iou!r}; give a number above 0, at most 1')
        self.anomalies: list[str] = []
        if kwargs.get('filter_cfg'):
            source = kwargs.get('ann_file')
            raise UserError(f'{source}: filter_cfg: no image is dropped here; list those you want in images_file')
        super().__init__(metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Items of the split, in the order of ``images_file`` where given, else of the annotation file."""
        data, crowds = read_with_crowds(self.ann_file, self.data_prefix.get('img', ''))
        crowd_of = {image.img_id: crowd for image, crowd in zip(data.images, crowds, strict=True)}
        self.anomalies = data.anomalies
        classes, predicates = (
            match_names(names, self._metainfo.get(field, names), field, self.ann_file)
            for field, names in (('classes', data.names.objects), ('predicates', data.names.predicates))
        )
        self._metainfo.update(_names(data.names, classes, predicates))
        self._names_of_item = {key: self._metainfo[key] for key in ('classes', 'predicates')}
        items = [
            self._item(_relabelled(image, classes, predicates), crowd_of[image.img_id])
            for image in self._split(data.images)
        ]
        boxes = sum(len(image.boxes) for image in data.images)
        relations = sum(len(item['relation_truth'].relations) for item in items)
        self.audit = AnnotationAudit(
            self._source(), len(data.images), boxes, self.anomalies, relations, 'relation of the predicates'
        )
        return items

    def prepare_data(self, idx: int) -> dict | None:
        """Item ``idx`` through the pipeline; a picture that is missing, cut off or broken is named."""
        item = self.get_data_info(idx) | self._names_of_item  # the property metainfo is a deep copy each time
        path, there = item['img_path'], Path(item['img_path']).is_file()
        if self.test_mode and there:
            check_image_file(path)
        try:
            return self.pipeline(item)
        except UserError:
            raise
        except Exception as error:
            if there or isinstance(error, FileNotFoundError):
                read_image(path)  # raises the UserError where the picture is the cause
            raise

    def get_cat_ids(self, idx: int) -> list[int]:
        """Predicates of an item, and after all predicates its classes: what ClassBalancedDataset balances."""
        item = self.get_data_info(idx)
        first_class = len(self._names_of_item['predicates'])
        return item['relation_truth'].relations[:, 2].tolist() + [
            first_class + instance['bbox_label'] for instance in item['instances']
        ]

    def _source(self) -> str:
        if self.images_file is None:
            return str(self.ann_file)
        return f'{self.ann_file} ({list_name(self.images_file, self.images_key)})'

    def _split(self, images: list[RelationImage]) -> list[RelationImage]:
        if self.images_file is None:
            if self.images_key is not None:
                raise UserError(f'{self.ann_file}: images_key: needs images_file, the file that lists images')
            return images
        path = self.images_file
        path = path if is_abs(path) or not self.data_root else join_path(self.data_root, path)
        source = f'{path}: {list_name("names", self.images_key)}'
        return select_images(images, read_image_list(path, self.images_key), source)

    def _item(self, image: RelationImage, crowd: np.ndarray) -> dict[str, Any]:
        ignored = crowd | degenerate_boxes(image.boxes)
        if self.merge_iou is not None:
            image, kept = merge_objects(image, ignored, self.merge_iou)
            ignored = ignored[kept]
        return dict(
            img_path=str(Path(self.data_prefix.get('img', '')) / image.file_name),
            img_id=image.img_id,
            height=image.height,
            width=image.width,
            instances=[
                dict(bbox=box, bbox_label=label, ignore_flag=int(flag))
                for box, label, flag in zip(image.boxes.tolist(), image.labels.tolist(), ignored, strict=True)
            ],
            relation_truth=image,
        )


def _relabelled(image: RelationImage, classes: np.ndarray, predicates: np.ndarray) -> RelationImage:
    relations = image.relations.copy()
    relations[:, 2] = predicates[relations[:, 2]]
    return replace(image, labels=classes[image.labels], relations=relations)


def _names(names: RelationNames, classes: np.ndarray, predicates: np.ndarray) -> dict[str, Any]:
    """The metainfo, with the labels of the config; tuples, since it is compared and saved with checkpoints."""
    triplets, rare = names.triplets, names.rare
    if triplets is not None:
        triplets = np.column_stack([classes[triplets[:, 0]], predicates[triplets[:, 1]]]).tolist()
    return dict(
        classes=tuple(names.objects[label] for label in np.argsort(classes)),
        predicates=tuple(names.predicates[label] for label in np.argsort(predicates)),
        triplets=None if triplets is None else tuple(map(tuple, triplets)),
        rare=None if rare is None else tuple(rare.tolist()),
    )
