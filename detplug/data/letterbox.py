"""The test transform: keep-ratio resize and padding; and the way back for boxes."""

from collections.abc import Mapping, Sequence

import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from torch import Tensor

from detplug.data.images import check_size
from detplug.images.letterbox import letterbox


def original_boxes(boxes: Tensor, meta: Mapping) -> Tensor:
    """(D, 4) xyxy boxes of the resized image, in pixels of the image file and clipped to it.

    Args:
        meta: ``ori_shape`` (height, width) and ``scale_factor`` (x, y), by default 1.
    """
    boxes = boxes / boxes.new_tensor(meta.get('scale_factor', (1.0, 1.0))).repeat(2)
    return clip_boxes(boxes, meta['ori_shape'])


def clip_boxes(boxes: Tensor, shape: Sequence[int]) -> Tensor:
    """(D, 4) xyxy boxes inside an image of ``shape`` = (height, width, ...) px."""
    height, width = shape[:2]
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([width, height, width, height]))


@TRANSFORMS.register_module()
class Letterbox(BaseTransform):
    """Resize to fit ``scale`` with the ratio kept (smaller images grow), then pad.

    Args:
        scale: (width, height) px.
        fixed: pad to exactly ``scale``; else to the next multiple of 32 px of each side.
        pad_val: grey value of the padding.
        centre: pad all sides equally, as YOLOv5 does; the head must subtract ``pad_offset`` (YOLOv5Head does, mmdet's
            heads do not). Otherwise pad right and bottom.

    Sets img, scale_factor (x, y; resized over original, per axis), img_shape = (height, width) of the image without its
    padding (predictions are clipped to it), pad_shape with it and pad_offset = (left, top) px. Boxes are read after it,
    in original pixels.

    Raises:
        UserError: the image has another size than its annotation says.
    """

    def __init__(self, scale: tuple[int, int], fixed: bool = False, pad_val: int = 114, centre: bool = False) -> None:
        self.scale, self.fixed, self.pad_val, self.centre = tuple(scale), fixed, pad_val, centre

    def transform(self, results: dict) -> dict:
        image = results['img']
        check_size(results, image.shape[:2])
        canvas, place = letterbox(image, self.scale, self.fixed, self.pad_val, self.centre)
        results['img'] = canvas
        results['img_shape'], results['pad_shape'] = place.inner[::-1], canvas.shape[:2]
        results['scale_factor'], results['pad_offset'] = place.scale, place.offset
        results['keep_ratio'] = True
        return results

    def __repr__(self) -> str:
        kind = 'centred' if self.centre else 'right and bottom'
        return f'{type(self).__name__}(scale={self.scale}, fixed={self.fixed}, pad_val={self.pad_val}, {kind})'
