"""Truth and prediction of one image: what every figure, curve and picture of an evaluation is made from.

Letters: G objects of the truth, U objects of unknown classes, D detections, K classes. Boxes are xyxy in pixels of the
original image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from detplug.errors import UserError

META_KEYS = ('img_id', 'ori_shape', 'instances')


@dataclass
class ImageResult:
    """One evaluated image.

    Args:
        gt_boxes: (G, 4) float64.
        gt_labels: (G,) int64, 0 .. K-1; an ignored object with another label is ignored for every class.
        gt_ignored: (G,) bool; detections inside such an object are neither right nor wrong (COCO's iscrowd).
        gt_areas: (G,) float64, pixels; the area of the mask where the data set has one.
        boxes: (D, 4) float64.
        labels: (D,) int64, 0 .. K-1.
        scores: (D,) float64.
        extra: what else the detector says of its detections, name -> (D, ...) array or list, untouched.
        unknown_boxes: (U, 4) float64, objects of classes that the detector does not know; pictures show them, and what
            lies on them is not counted as a false detection there.
    """

    img_id: int | str
    img_path: str
    width: int
    height: int
    gt_boxes: np.ndarray
    gt_labels: np.ndarray
    gt_ignored: np.ndarray
    gt_areas: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    extra: dict = field(default_factory=dict)
    unknown_boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    @classmethod
    def from_data_sample(cls, sample: Mapping) -> 'ImageResult':
        """The result in ``DetDataSample.to_dict()``: ``pred_instances`` and the meta keys img_id, ori_shape, instances.

        The meta key ``unknown_instances`` gives the unknown objects, where there is one.

        Raises:
            UserError: a meta key is missing.
        """
        for key in META_KEYS:
            if key not in sample:
                raise UserError(
                    f'test pipeline: PackDetInputs: no {key!r} in the data sample; add {key!r} to its meta_keys'
                )
        predicted = {name: _array(value) for name, value in sample['pred_instances'].items()}
        boxes = predicted.pop('bboxes').reshape(-1, 4).astype(np.float64)
        labels = predicted.pop('labels').astype(np.int64)
        scores = predicted.pop('scores').astype(np.float64)
        height, width = sample['ori_shape'][:2]
        return cls(
            _plain_id(sample['img_id']),
            str(sample.get('img_path') or ''),
            int(width),
            int(height),
            *truth_arrays(sample['instances']),
            boxes,
            labels,
            scores,
            predicted,
            np.array([x['bbox'] for x in sample.get('unknown_instances') or ()], np.float64).reshape(-1, 4),
        )


def detection_order(image: ImageResult) -> np.ndarray:
    """(D,) int64 indices of the detections of an image in the order in which they are matched.

    The highest score comes first; of equal scores the lower label, then the box that lies further left, further up
    (x1, y1, x2, y2 ascending). This is the project's rule for equal scores: a metric does not depend on the order in
    which a detector gives its detections. pycocotools takes equal scores as they come; in this order the two agree.
    Between images of one data set equal scores keep the order of the images, as in pycocotools.
    """
    return np.lexsort((*image.boxes.T[::-1], image.labels, -image.scores))


def truth_arrays(instances: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (G, 4), labels (G,), ignored (G,) and areas (G,) of the ``instances`` of one image; empty for none."""
    boxes = np.array([x['bbox'] for x in instances], np.float64).reshape(-1, 4)
    labels = np.array([x['bbox_label'] for x in instances], np.int64)
    ignored = np.array([x.get('ignore_flag', 0) for x in instances], bool)
    box_areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    areas = np.array([x.get('area', area) for x, area in zip(instances, box_areas, strict=True)], np.float64)
    return boxes, labels, ignored, areas


def _array(value):
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _plain_id(value) -> int | str:
    return value if isinstance(value, str) else int(value)
