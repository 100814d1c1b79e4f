"""The transform that reads an image, and the check that it is the one that was annotated."""

import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmdet.registry import TRANSFORMS

from detplug.errors import UserError, one_line
from detplug.images.reading import read_image
from detplug.images.window import Window, check_window

PLAIN = dict(color_type='color', imdecode_backend='cv2', file_client_args=None, backend_args=None, ignore_empty=False)


@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """Read an image with :func:`detplug.images.reading.read_image`, in place of mmcv's transform of this name.

    Args:
        window: (low, high) pixel values that become 0 and 255, for images of more than 8 bit.
        to_float32: float32 pixels.
        **kwargs: as mmcv's; with any but its defaults (a remote file, another decoder) mmcv reads, in 8 bit.

    Sets img ((H, W, 3) uint8 BGR), img_shape and ori_shape, both (height, width).

    Raises:
        ImageError: as read_image.
        UserError: a window that is none, or one beside what only mmcv reads.
    """

    def __init__(self, window: Window | None = None, to_float32: bool = False, **kwargs) -> None:
        super().__init__(to_float32=to_float32, **kwargs)
        self.window = check_window(window, type(self).__name__)
        self.plain = all(PLAIN.get(key, value) == value for key, value in kwargs.items())
        if not self.plain and self.window:
            raise UserError(f'{type(self).__name__}: window: not with {kwargs}; leave one of both out')

    def transform(self, results: dict) -> dict:
        if not self.plain:
            return super().transform(results)
        image = read_image(results['img_path'], self.window)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


def check_size(results: dict, shape: tuple[int, int]) -> None:
    """Refuse an image whose ``shape`` = (height, width) is not the annotated one: its boxes would lie elsewhere.

    Raises:
        UserError: the sizes differ (``results`` without a size, as in prediction, passes).
    """
    annotated = (results.get('height'), results.get('width'))
    if None not in annotated and annotated != shape:
        height, width = shape
        name = one_line(results.get('img_path'), longest=200)
        raise UserError(
            f'{name}: image is {width}x{height}, its annotation says {annotated[1]}x{annotated[0]}; '
            'use the images the boxes were drawn on'
        )
