"""From an image to the network's input, in numpy and OpenCV, as the test pipeline of the exported config does it.

The rule is the entries ``letterbox`` and ``input`` of the manifest:

letterbox.scale      (width, height) px that the image is resized to fit, ratio kept; by default the input's
letterbox.fit        'box': within width and height; 'edges': the longer and the shorter edge of either orientation
letterbox.pad        what 8-bit pixels are padded to: 'size' (of the input), 'square', 'multiple', or 'none'
letterbox.multiple   of 'multiple', px
letterbox.pad_value  BGR, or one grey value
letterbox.centre     pad all sides equally instead of right and bottom
letterbox.clip       boxes end at the 'image' or at the 'padded' image
input.shape          of the network's input; a height or width that is a name is any multiple of input.multiple
input.pad_value      what the normalised input is padded with to that shape
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detplug.images.letterbox import Placement, fit_size


@dataclass(frozen=True)
class Prepared:
    """An image ready for the network.

    Attributes:
        pixels: (3, H, W) float32.
        placement: maps boxes back.
        size: (width, height) px at which the network clips boxes.
    """

    pixels: np.ndarray
    placement: Placement
    size: tuple[int, int]


def prepare(image: np.ndarray, manifest: Mapping) -> Prepared:
    """Resize, pad and normalise an image (H, W, 3) uint8 BGR as the manifest says."""
    rule, spec = manifest['letterbox'], manifest['input']
    height, width = image.shape[:2]
    size = fit(width, height, rule.get('scale') or spec['shape'][:1:-1], rule.get('fit', 'box'))
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    image, offset = pad_pixels(image, rule, spec['shape'])
    clip = image.shape[1::-1] if rule.get('clip') == 'padded' else size
    placement = Placement((size[0] / width, size[1] / height), (width, height), offset)
    return Prepared(pad_input(normalise(image, spec), spec), placement, clip)


def fit(width: int, height: int, scale: Sequence[int], how: str = 'box') -> tuple[int, int]:
    """(width, height) of an image resized to fit ``scale``, ratio kept; sides are rounded and at least 1.

    Args:
        how: 'box': ``scale`` is the width and height of a box; 'edges': the longer and the shorter edge (mmcv's
            imrescale).
    """
    longer, shorter = max(scale), min(scale)
    if how == 'edges':  # of the picture's own orientation
        scale = (longer, shorter) if width >= height else (shorter, longer)
    return fit_size((height, width), scale)


def pad_pixels(image: np.ndarray, rule: Mapping, shape: Sequence) -> tuple[np.ndarray, tuple[int, int]]:
    """The image on its padded canvas, and where it lies there: (left, top) px."""
    height, width = image.shape[:2]
    kind, multiple = rule.get('pad', 'size'), rule.get('multiple', 1)
    outer = {
        'size': tuple(shape[:1:-1]),
        'square': (max(width, height),) * 2,
        'multiple': tuple(-(-side // multiple) * multiple for side in (width, height)),
        'none': (width, height),
    }[kind]
    if outer == (width, height):
        return image, (0, 0)
    left, top = ((outer[0] - width) // 2, (outer[1] - height) // 2) if rule['centre'] else (0, 0)
    canvas = np.full((outer[1], outer[0], 3), rule['pad_value'], dtype=np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas, (left, top)


def normalise(image: np.ndarray, spec: Mapping) -> np.ndarray:
    """(3, H, W) float32 of BGR pixels; ``spec`` is the manifest's ``input``."""
    if spec['channel_order'] == 'RGB':
        image = image[..., ::-1]
    mean, std = (np.asarray(spec[key], dtype=np.float32) for key in ('mean', 'std'))
    return np.ascontiguousarray(((image.astype(np.float32) - mean) / std).transpose(2, 0, 1))


def pad_input(pixels: np.ndarray, spec: Mapping) -> np.ndarray:
    """Pad (3, H, W) right and bottom to the input's height and width, or to the next multiples where it has names."""
    multiple = spec.get('multiple', 1)
    outer = tuple(
        side if isinstance(side, int) else -(-now // multiple) * multiple
        for side, now in zip(spec['shape'][2:], pixels.shape[1:], strict=True)
    )
    if outer == pixels.shape[1:]:
        return pixels
    padded = np.full((3, *outer), spec.get('pad_value', 0.0), dtype=np.float32)
    padded[:, : pixels.shape[1], : pixels.shape[2]] = pixels
    return padded
