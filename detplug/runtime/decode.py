"""Decode rules in numpy: raw feature maps of a network -> dense boxes and scores.

A bundle exported with ``--raw`` names its rule and the rule's constants in the manifest (``outputs.decode``); the
detection head states both (``decode_rule()``). N images, B anchor shapes a level, K classes, A anchors over all levels.
"""

from collections.abc import Callable, Sequence

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function; far below zero it is exactly 0."""
    with np.errstate(over='ignore'):
        return 1 / (1 + np.exp(-x))


def anchor_grid(maps: Sequence[np.ndarray], rule: dict) -> tuple[np.ndarray, np.ndarray]:
    """Boxes relative to anchor shapes at grid cells, as in YOLOv5.

    xy = (2 sigmoid - 0.5 + cell) stride; wh = (2 sigmoid)^2 anchor; score = objectness x class.

    Args:
        maps: one (N, B (5 + K), H, W) a level.
        rule: ``anchors`` (levels, B, 2) pixels, ``strides`` (levels,) pixels.

    Returns:
        boxes (N, A, 4) xyxy input pixels and scores (N, A, K).
    """
    boxes, scores = [], []
    for x, anchors, stride in zip(maps, rule['anchors'], rule['strides'], strict=True):
        anchors = np.asarray(anchors, dtype=np.float32)
        images, _, height, width = x.shape
        x = sigmoid(x.reshape(images, len(anchors), -1, height, width).transpose(0, 1, 3, 4, 2))
        cell = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        centre = (2 * x[..., :2] - 0.5 + cell) * np.float32(stride)
        half = (2 * x[..., 2:4]) ** 2 * anchors[:, None, None] / 2
        boxes.append(np.concatenate([centre - half, centre + half], axis=-1).reshape(images, -1, 4))
        scores.append((x[..., 4:5] * x[..., 5:]).reshape(images, boxes[-1].shape[1], -1))
    return np.concatenate(boxes, axis=1), np.concatenate(scores, axis=1)


Decoder = Callable[[Sequence[np.ndarray], dict], tuple[np.ndarray, np.ndarray]]
DECODERS: dict[str, Decoder] = {'anchor_grid': anchor_grid}
