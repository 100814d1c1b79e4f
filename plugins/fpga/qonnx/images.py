"""Images as the network takes them: floats 0..1 for torch and QONNX, elsewhere the integers of its first quantiser."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.images.preparation import prepare
from detplug.images.reading import read_image

from ..integers.integer_network import Format


def network_images(paths: Sequence[str | Path], manifest: dict) -> np.ndarray:
    """Network input (N, 3, S, S) float32, 0..1, of image files, as ``manifest`` says.

    Raises:
        UserError: a file that is not an image.
    """
    return np.stack([prepare(read_image(path), manifest).pixels for path in paths])


def to_integers(images: np.ndarray, form: Format) -> np.ndarray:
    """Integers int64 of images in floats, the same shape: what the first Quant node makes."""
    return np.clip(np.rint(images.astype(np.float64) * 2.0**form.frac), form.low, form.high).astype(np.int64)
