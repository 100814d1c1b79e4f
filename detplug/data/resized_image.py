"""The first transform of training: read an image and resize it, with its boxes, to what the network will see."""

import cv2
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.data.images import check_size, read_image
from detplug.data.letterbox import fit_size


@TRANSFORMS.register_module()
class LoadResizedImage(BaseTransform):
    """Read an image and resize it to fit ``scale`` with its ratio kept.

    Placed AFTER LoadAnnotations: it also rescales ``gt_bboxes`` (xyxy, numpy or boxes) from original to resized pixels.

    Args:
        scale: (width, height) px that the resized image fits.

    Sets img (uint8 BGR), img_shape, ori_shape (both height, width) and scale_factor (x, y).

    Raises:
        UserError: an image that is missing, broken, or of another size than its annotation says.
    """

    def __init__(self, scale: tuple[int, int]) -> None:
        self.scale = tuple(scale)

    def transform(self, results: dict) -> dict:
        image = read_image(results['img_path'])
        check_size(results, image)
        original = image.shape[:2]
        size = fit_size(original, self.scale)
        if size != original[::-1]:
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
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

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale={self.scale})'
