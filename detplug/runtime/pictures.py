"""A picture with its detections: boxes, and what the fields of plugins draw."""

import numpy as np

from detplug.drawing.boxes import draw_boxes
from detplug.runtime.detections import Detections
from detplug.runtime.result_field import ResultField


def draw(image: np.ndarray, detections: Detections, fields: dict[str, ResultField]) -> np.ndarray:
    """A copy of (H, W, 3) uint8 BGR with boxes and the fields that have a drawer."""
    fields = {name: field for name, field in fields.items() if name in detections.fields}
    shown = np.ones(len(detections), bool)
    for name, field in fields.items():
        if field.shown is not None:
            shown &= field.shown(detections.fields[name], len(detections))
    boxes = detections.boxes[shown], detections.labels[shown], detections.scores[shown]
    picture = draw_boxes(image, *boxes, detections.names)
    for name, field in fields.items():
        if field.draw is not None:
            field.draw(picture, detections, detections.fields[name])
    return picture
