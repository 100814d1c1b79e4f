"""Decode and resize each training image once: mosaic reads four images for every one it makes."""

import cv2
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.data.images import check_size, read_image
from detplug.data.letterbox import fit_size


@TRANSFORMS.register_module()
class LoadResizedImage(BaseTransform):
    """Read an image, resize it to fit ``scale`` with its ratio kept, and keep it in memory while the budget lasts.

    Placed AFTER LoadAnnotations: it also rescales ``gt_bboxes`` (xyxy, numpy or boxes) from original to resized pixels.
    Each worker has its own cache. A full cache stays as it is: with random access an exchanged image is as likely to
    be needed as the one it replaces, so a least-recently-used rule would only add work.

    Args:
        scale: (width, height) px that the resized image fits.
        cache_mb: memory for the resized images of one worker, in MB (2**20 bytes); 0 keeps none.
        copy: give each reader its own pixels. False gives the cached array itself, which is read-only: for pipelines
            whose next transform makes a new image (MosaicAffine).

    Sets img (uint8 BGR), img_shape, ori_shape (both height, width) and scale_factor (x, y).

    Raises:
        UserError: an image that is missing, broken, or of another size than its annotation says.
    """

    def __init__(self, scale: tuple[int, int], cache_mb: float = 512, copy: bool = True) -> None:
        self.scale, self.copy = tuple(scale), copy
        self.free = int(cache_mb * 2**20)
        self.cache = {}

    def transform(self, results: dict) -> dict:
        image, original = self._load(results)
        height, width = image.shape[:2]
        results['img'] = image.copy() if self.copy else image
        results['img_shape'], results['ori_shape'] = (height, width), original
        factor = (width / original[1], height / original[0])
        results['scale_factor'] = factor
        boxes = results.get('gt_bboxes')
        if boxes is not None and hasattr(boxes, 'rescale_'):
            boxes.rescale_(factor)
        elif boxes is not None:
            boxes[:, 0::2] *= factor[0]
            boxes[:, 1::2] *= factor[1]
        return results

    def _load(self, results: dict):
        """(resized image, (height, width) of the file)."""
        path = results['img_path']
        if path not in self.cache:
            image = read_image(path)
            check_size(results, image)
            original = image.shape[:2]
            size = fit_size(original, self.scale)
            if size != original[::-1]:
                image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            image.flags.writeable = False
            if image.nbytes > self.free:
                return image, original
            self.free -= image.nbytes
            self.cache[path] = (image, original)
        return self.cache[path]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale={self.scale}, cached={len(self.cache)}, free={self.free / 2**20:.0f} MB)'
