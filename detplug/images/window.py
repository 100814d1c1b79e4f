"""From 16 bit or float pixels to the 8 bit that a detector sees, by a rule that is stated and never guessed."""

from collections.abc import Sequence

import numpy as np

from detplug.errors import ImageError, UserError

Window = tuple[float, float]


def check_window(window: Sequence[float] | None, source: str) -> Window | None:
    """``window`` as (low, high), or None.

    Raises:
        UserError: not two numbers, or low is not below high; ``source`` is what the line begins with.
    """
    if window is None:
        return None
    try:
        low, high = map(float, window)
    except (TypeError, ValueError):
        low = high = 0.0
    if not -np.inf < low < high < np.inf:
        raise UserError(f'{source}: window: {window!r} is no (low, high); give two numbers such as (0, 4095)')
    return low, high


def eight_bit(pixels: np.ndarray, window: Window | None, name: str) -> np.ndarray:
    """uint8 of the same shape: values from ``low`` to ``high`` become 0 to 255, what lies outside is cut off.

    8 bit pixels stay as they are, whatever the window: a data set may hold both.

    Args:
        pixels: (H, W, ...) of any number type.
        window: (low, high) in pixel values.
        name: of the image, for the error.

    Raises:
        ImageError: more than 8 bit and no window, or values that are not finite.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if not np.isfinite(pixels).all():
        raise ImageError(f'{name}: holds pixels that are not finite; write it anew')
    if window is None:
        kind, most = pixels.dtype, pixels.max(initial=0)
        high = 2 ** max(int(most), 1).bit_length() - 1 if pixels.dtype.kind in 'ui' else float(most)
        raise ImageError(
            f'{name}: {kind} pixels up to {most}: say which values become black and white; '
            f'for this one perhaps window=(0, {high})'
        )
    low, high = window
    scaled = (pixels.astype(np.float32) - low) * (255 / (high - low))
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
