"""Between the network's input and pictures."""

import numpy as np
import torch
from torch import Tensor, nn


def to_pixels(image: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """(3, H, W) input of the network -> (H, W, 3) uint8 in the network's order of channels."""
    part = normaliser(preprocessor)
    if part is not None:
        image = image * part.std.to(image) + part.mean.to(image)
    return image.round().clamp_(0, 255).byte().permute(1, 2, 0).contiguous().numpy(force=True)


def to_input(pixels: np.ndarray, preprocessor: nn.Module) -> Tensor:
    """The inverse of :func:`to_pixels`: (3, H, W) float32."""
    image, part = torch.from_numpy(pixels).permute(2, 0, 1).float().contiguous(), normaliser(preprocessor)
    return image if part is None else (image - part.mean.to(image)) / part.std.to(image)


def to_picture(image: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """(3, H, W) input of the network -> (H, W, 3) uint8 BGR."""
    return in_network_order(to_pixels(image, preprocessor), preprocessor)


def in_network_order(picture: np.ndarray, preprocessor: nn.Module) -> np.ndarray:
    """(H, W, 3) with its channels turned as the preprocessor turns them: a file's BGR to the network's, and back."""
    part = getattr(preprocessor, 'data_preprocessor', preprocessor)
    return np.ascontiguousarray(picture[..., ::-1]) if getattr(part, '_channel_conversion', False) else picture


def normaliser(preprocessor: nn.Module) -> nn.Module | None:
    """What holds the mean and standard deviation (3, 1, 1) of the input; None where it is not normalised."""
    part = getattr(preprocessor, 'data_preprocessor', preprocessor)
    return part if getattr(part, '_enable_normalize', False) else None
