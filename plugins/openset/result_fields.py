"""The field ``ood_scores`` of open-set detections: a column, a bar at the left edge of each box, and the review queue
``strangest``. Needs no torch."""

import cv2
import numpy as np

from detplug.runtime.detections import Detections
from detplug.runtime.result_field import Queue, ResultField, numbers

DARK, LIGHT = (0, 0, 0), (255, 255, 255)


def draw(picture: np.ndarray, detections: Detections, scores: np.ndarray) -> None:
    """A bar as high as the box, white from below up to the share of labelled objects that are less strange."""
    width = max(2, round(min(picture.shape[:2]) / 160))
    limit = np.array(picture.shape[1::-1] * 2)
    corners = np.clip(detections.boxes, 0, limit).astype(int).tolist()
    for (x1, y1, _, y2), score in zip(corners, scores.tolist(), strict=True):
        cv2.rectangle(picture, (x1, y1), (x1 + width, y2), DARK, -1)
        cv2.rectangle(picture, (x1, round(y2 - score * (y2 - y1))), (x1 + width, y2), LIGHT, -1)


STRANGEST = Queue('strangest', 'strangeness', 'that look least like the labelled objects')

FIELDS = {'ood_scores': ResultField(draw=draw, column=numbers, queue=STRANGEST)}
