"""Between the network's input and pictures."""

import numpy as np
from torch import Tensor, nn


def pixel_scale(preprocessor: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """(3,) mean and standard deviation that the network's input was normalised with; 0 and 1 without."""
    part = getattr(preprocessor, 'data_preprocessor', preprocessor)
    if not getattr(part, '_enable_normalize', False):
        return np.zeros(3, np.float32), np.ones(3, np.float32)
    return part.mean.flatten().cpu().numpy(), part.std.flatten().cpu().numpy()


def to_picture(image: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """(3, H, W) input of the network -> (H, W, 3) uint8 BGR."""
    mean, std = pixel_scale(preprocessor)
    pixels = (image.permute(1, 2, 0).numpy(force=True) * std + mean).round().clip(0, 255).astype(np.uint8)
    part = getattr(preprocessor, 'data_preprocessor', preprocessor)
    return np.ascontiguousarray(pixels[..., ::-1] if getattr(part, '_channel_conversion', False) else pixels)
