"""The input of an exported detector, in numpy and OpenCV: equal to the host's test transform ``Letterbox``."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Placement:
    """Where an image lies in its letterbox.

    Attributes:
        scale: letterbox pixels per original pixel, (x, y).
        size: original (width, height).
        offset: letterbox pixels (left, top) before the image.
    """

    scale: tuple[float, float]
    size: tuple[int, int]
    offset: tuple[int, int] = (0, 0)

    @property
    def inner(self) -> tuple[int, int]:
        """(width, height) of the image in the letterbox, pixels."""
        return tuple(round(scale * size) for scale, size in zip(self.scale, self.size, strict=True))

    def to_original(self, boxes: np.ndarray) -> np.ndarray:
        """(D, 4) xyxy letterbox pixels -> (D, 4) xyxy original pixels, clipped to the image."""
        boxes = (boxes - np.asarray(self.offset * 2, dtype=np.float32)) / np.asarray(self.scale * 2, dtype=np.float32)
        return np.clip(boxes, 0, np.asarray(self.size * 2, dtype=np.float32)).astype(np.float32)


def letterbox(image: np.ndarray, side: int, pad_value: int = 114, centre: bool = False) -> tuple[np.ndarray, Placement]:
    """Resize to fit ``side`` x ``side`` keeping the ratio (smaller images grow too), then pad.

    Args:
        image: (H, W, 3) uint8.
        centre: pad all sides equally instead of right and bottom.

    Returns:
        (side, side, 3) uint8 and the placement that maps boxes back.
    """
    height, width = image.shape[:2]
    ratio = min(side / max(height, width), side / min(height, width))
    new_w, new_h = max(int(width * ratio + 0.5), 1), max(int(height * ratio + 0.5), 1)
    canvas = np.full((side, side, 3), pad_value, dtype=np.uint8)
    left, top = ((side - new_w) // 2, (side - new_h) // 2) if centre else (0, 0)
    canvas[top : top + new_h, left : left + new_w] = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    return canvas, Placement((new_w / width, new_h / height), (width, height), (left, top))


def network_input(canvases: list[np.ndarray], spec: dict) -> np.ndarray:
    """(N, 3, S, S) float32 network input of letterboxed BGR images; ``spec`` is the manifest's ``input``."""
    batch = np.stack(canvases)
    if spec['channel_order'] == 'RGB':
        batch = batch[..., ::-1]
    mean, std = (np.asarray(spec[key], dtype=np.float32) for key in ('mean', 'std'))
    return np.ascontiguousarray(((batch.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2))
