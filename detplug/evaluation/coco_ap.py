"""COCO's average precision of a list of image results, computed in memory by faster-coco-eval.

Letters: T IoU thresholds, R recall levels, K classes, A area ranges, M limits of detections.
The numbers equal pycocotools'; only the limit of detections is ours to choose, because COCO's 100 caps crowded images.
"""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from detplug.evaluation.image_result import ImageResult

NO_OBJECTS = -1.0  # what COCO says where the truth holds no object that counts
SMALL, MEDIUM, LARGE = 1, 2, 3  # positions of COCO's area ranges; 0 is all


def coco_dicts(images: Sequence[ImageResult], classes: Sequence[str]) -> tuple[dict, dict]:
    """Truth and detections as COCO dictionaries; image, category and annotation ids count from 1.

    Detections of equal score are put in the order of label and box, so that the input order never matters.
    An ignored object whose label is none of the K classes is repeated as an ignored object of each of them.
    """
    frame = {
        'images': [{'id': i, 'width': x.width, 'height': x.height} for i, x in enumerate(images, start=1)],
        'categories': [{'id': k, 'name': name} for k, name in enumerate(classes, start=1)],
    }
    truth, found = [], []
    for image_id, image in enumerate(images, start=1):
        truth += _truth_rows(image, image_id, len(classes))
        found += _detection_rows(image, image_id)
    for rows in (truth, found):
        for number, row in enumerate(rows, start=1):
            row['id'] = number
    return frame | {'annotations': truth}, frame | {'annotations': found}


def box_metrics(images: Sequence[ImageResult], classes: Sequence[str], max_dets: int) -> dict[str, float]:
    """Flat figures: map, map50, map75, ar, map_s, map_m, map_l, and ap/CLASS, ap50/CLASS, all 0 .. 1.

    Args:
        max_dets: detections of a class that count in an image, highest scores first.

    map, map50, map75 and ar are -1 where the images hold no object (as COCO has it); every other figure that
    does not exist, such as the ap of a class without objects, is left out.
    """
    if not images:
        return dict.fromkeys(('map', 'map50', 'map75', 'ar'), NO_OBJECTS)
    truth, found = coco_dicts(images, classes)
    evaluation = COCOeval_faster(COCO(truth), COCO(found), iouType='bbox', print_function=_silent)
    evaluation.params.maxDets = sorted({1, min(10, max_dets), max_dets})
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval['precision'][..., -1]  # (T, R, K, A)
    recall = evaluation.eval['recall'][..., 0, -1]  # (T, K)
    everywhere = precision[..., 0]
    metrics = {
        'map': _mean(everywhere),
        'map50': _mean(everywhere[0]),
        'map75': _mean(everywhere[5]),
        'ar': _mean(recall),
    }
    optional = {'map_s': precision[..., SMALL], 'map_m': precision[..., MEDIUM], 'map_l': precision[..., LARGE]}
    optional |= {f'ap/{name}': everywhere[:, :, k] for k, name in enumerate(classes)}
    optional |= {f'ap50/{name}': everywhere[0, :, k] for k, name in enumerate(classes)}
    return metrics | {name: _mean(values) for name, values in optional.items() if (values > NO_OBJECTS).any()}


def _truth_rows(image: ImageResult, image_id: int, num_classes: int) -> list[dict]:
    rows = []
    for (x1, y1, x2, y2), label, ignored, area in zip(
        image.gt_boxes.tolist(),
        image.gt_labels.tolist(),
        image.gt_ignored.tolist(),
        image.gt_areas.tolist(),
        strict=True,
    ):
        row = {'image_id': image_id, 'bbox': [x1, y1, x2 - x1, y2 - y1], 'area': area, 'iscrowd': int(ignored)}
        labels = [label] if 0 <= label < num_classes else range(num_classes)
        rows += [row | {'category_id': k + 1} for k in labels]
    return rows


def _detection_rows(image: ImageResult, image_id: int) -> list[dict]:
    order = np.lexsort((*image.boxes.T[::-1], image.labels, -image.scores))
    boxes = image.boxes[order]
    sizes = boxes[:, 2:] - boxes[:, :2]
    return [
        {'image_id': image_id, 'category_id': label + 1, 'bbox': box, 'score': score, 'area': area, 'iscrowd': 0}
        for label, box, score, area in zip(
            image.labels[order].tolist(),
            np.concatenate([boxes[:, :2], sizes], axis=1).tolist(),
            image.scores[order].tolist(),
            sizes.prod(axis=1).tolist(),
            strict=True,
        )
    ]


def _mean(values: np.ndarray) -> float:
    values = values[values > NO_OBJECTS]
    return float(values.mean()) if values.size else NO_OBJECTS


def _silent(*_words) -> None:
    """faster-coco-eval's own messages are not for our screen."""
