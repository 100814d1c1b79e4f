"""Hue, saturation and brightness jitter as one colour matrix."""

import math
import random

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

# NTSC (ITU-R BT.601) RGB -> YIQ: luma and two colour axes; a turn of the I-Q plane is a turn of hue
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
TO_YIQ, FROM_YIQ = YIQ[:, ::-1], np.linalg.inv(YIQ)[::-1]  # for BGR


@TRANSFORMS.register_module()
class ColourJitter(BaseTransform):
    """Turn hue, scale saturation and scale brightness by random factors in one cv2.transform.

    The ranges read as YOLOv5's hsv gains (.015, .7, .4). Scaling brightness is the same in both; hue and saturation are
    changed about the luma axis (YIQ) in place of the HSV cone, which makes the whole change linear: 0.1 ms in place of
    0.6 to HSV and back at 320 px.

    Args:
        hue: largest turn of hue, in whole turns.
        saturation, value: largest relative change.

    Reads and writes img (uint8 BGR); the input array is not changed in place. Random numbers come from Python's
    ``random``, which SeededDataset seeds for every draw.
    """

    def __init__(self, hue: float = 0.015, saturation: float = 0.7, value: float = 0.4) -> None:
        self.hue, self.saturation, self.value = hue, saturation, value

    def transform(self, results: dict) -> dict:
        angle = 2 * math.pi * random.uniform(-self.hue, self.hue)
        saturation = 1 + random.uniform(-self.saturation, self.saturation)
        value = 1 + random.uniform(-self.value, self.value)
        results['img'] = cv2.transform(results['img'], colour_matrix(angle, saturation, value))
        return results


def colour_matrix(angle: float, saturation: float, value: float) -> np.ndarray:
    """(3, 3) float32 matrix on BGR columns: hue turned by ``angle`` (radians), saturation and brightness scaled."""
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return (value * FROM_YIQ @ turn @ TO_YIQ).astype(np.float32)
