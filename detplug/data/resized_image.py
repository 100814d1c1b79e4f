"""The first transform of training: read an image and resize it, with its boxes, to what the network will see."""

import math
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.data.image_cache import ImageCache, image_key
from detplug.data.images import check_size
from detplug.errors import UserError
from detplug.images.letterbox import fit_size
from detplug.images.reading import read_image
from detplug.images.window import check_window


@TRANSFORMS.register_module()
class LoadResizedImage(BaseTransform):
    """Read an image and resize it to fit ``scale`` with its ratio kept, from the shared cache where it is there.

    Placed AFTER LoadAnnotations: it also rescales ``gt_bboxes`` (xyxy, numpy or boxes) from original to resized pixels.

    Args:
        scale: (width, height) px that the resized image fits.
        cache_mb: disk for resized images of this scale (2**20 bytes), see :class:`ImageCache`; 0 caches none.
        cache_dir: folder of the cache; by default :func:`detplug.data.image_cache.cache_folder`.
        window: (low, high) pixel values that become 0 and 255, for images of more than 8 bit.

    Sets img (uint8 BGR, read-only: a transform that changes it in place is an error), img_shape, ori_shape (both
    height, width) and scale_factor (x, y).

    Raises:
        UserError: an image that is missing, broken, or of another size than its annotation says; a ``cache_mb`` that is
            no size or less than one image takes.
    """

    def __init__(
        self, scale: tuple[int, int], cache_mb: float = 8192, cache_dir: str | None = None, window=None
    ) -> None:
        self.scale, self.window = tuple(scale), check_window(window, type(self).__name__)
        if isinstance(cache_mb, bool) or not isinstance(cache_mb, int | float) or not 0 <= cache_mb < math.inf:
            raise UserError(f'LoadResizedImage: cache_mb: {cache_mb!r} is no size; give MB, or 0 for no cache')
        self.cache = ImageCache(self.scale, cache_mb, cache_dir)
        if cache_mb and not self.cache.slots:
            one = self.cache.slot_bytes / 2**20
            raise UserError(
                f'LoadResizedImage: cache_mb: {cache_mb} MB hold no image of {scale[0]}x{scale[1]} px '
                f'({one:.2f} MB); give more, or 0 for no cache'
            )

    def transform(self, results: dict) -> dict:
        image, original = self._source(results)
        check_size(results, original)
        size = image.shape[1::-1]
        results['img'], results['img_shape'], results['ori_shape'] = image, image.shape[:2], original
        factor = (size[0] / original[1], size[1] / original[0])
        results['scale_factor'] = factor
        boxes = results.get('gt_bboxes')
        if boxes is not None and hasattr(boxes, 'rescale_'):
            boxes.rescale_(factor)
        elif boxes is not None:
            boxes[:, 0::2] *= factor[0]
            boxes[:, 1::2] *= factor[1]
        return results

    def _source(self, results: dict) -> tuple[np.ndarray, tuple[int, int]]:
        return self._pixels(results['img_path'])

    def _pixels(self, path: str | Path) -> tuple[np.ndarray, tuple[int, int]]:
        """(resized image, read-only; (height, width) of the original)."""
        key = self._key(path)
        cached = self.cache.read(key) if key else None
        if cached is not None:
            return cached
        image = read_image(path, self.window)
        original = image.shape[:2]
        size = fit_size(original, self.scale)
        if size != original[::-1]:
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        if key and key == self._key(path):  # the file was the same while it was read
            image = self.cache.write(key, image, original)
        image.flags.writeable = False
        return image, original

    def _key(self, path: str | Path) -> bytes | None:
        try:
            return image_key(path, self.window) if self.cache.slots else None
        except (OSError, ValueError):  # no such file: read_image says so
            return None

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale={self.scale})'
