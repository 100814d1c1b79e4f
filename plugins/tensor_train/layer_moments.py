"""Second moments of what flows into and out of convolutions, over calibration images.

N images, I input and O output channels, kernel kh x kw, P positions.
"""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detplug.errors import UserError

POSITIONS = 4096  # of a layer and batch that are looked at; drawn where there are more
PATCHES = 8192  # of a layer, over all batches, whose moment is taken; drawn where there are more
LARGEST = 2304  # values of a patch whose moment is taken: 256 channels of a 3x3 kernel, 42 MB


class Moments(NamedTuple):
    """Means of x x^T over images and positions, uncentred, float64.

    ``input`` (I, I) is of the pixels; ``output`` (O, O) of the output without bias; ``patch`` (I kh kw, I kh kw) of
    what a kernel sees, padding included, channels outside: None for 1x1 kernels and above LARGEST.
    """

    input: Tensor
    output: Tensor
    patch: Tensor | None = None


class Sums:
    """Sum of x x^T and number of x."""

    def __init__(self):
        self.total: Tensor | None = None
        self.count = 0

    def add(self, maps: Tensor, generator: torch.Generator) -> None:
        """Count the positions of (N, C, H, W) maps, at most POSITIONS of them."""
        pixels = maps.detach().flatten(2)
        count = len(pixels) * pixels.shape[2]
        if count > POSITIONS:
            chosen = torch.randint(count, (POSITIONS,), generator=generator).to(maps.device)
            points = pixels[chosen // pixels.shape[2], :, chosen % pixels.shape[2]].T  # no copy of the whole map
        else:
            points = pixels.transpose(0, 1).flatten(1)
        self.add_points(points)

    def add_points(self, points: Tensor) -> None:
        """Count the columns of (C, P)."""
        points = points.double()
        self.total = points @ points.T + (0 if self.total is None else self.total)
        self.count += points.shape[1]

    def mean(self) -> Tensor | None:
        """None where nothing was counted."""
        return self.total / self.count if self.count else None


def patches(conv: nn.Conv2d, maps: Tensor, size: Sequence[int], most: int, generator: torch.Generator) -> Tensor:
    """(I kh kw, P) what a kernel sees of (N, I, H, W) maps at the positions of its (H', W') output.

    At most ``most`` of them; those at the border see zeros.
    """
    padded = F.pad(maps.detach(), padding_of(conv))
    count = len(maps) * size[0] * size[1]
    index = torch.arange(count) if count <= most else torch.randint(count, (most,), generator=generator)
    index = index.to(maps.device)
    image, y, x = index // (size[0] * size[1]), index // size[1] % size[0], index % size[1]
    ys, xs = (
        at[:, None] * stride + dilation * torch.arange(kernel, device=maps.device)
        for at, stride, dilation, kernel in zip((y, x), conv.stride, conv.dilation, conv.kernel_size, strict=True)
    )
    seen = padded[image[:, None, None], :, ys[:, :, None], xs[:, None, :]]  # (P, kh, kw, I)
    return seen.permute(3, 1, 2, 0).flatten(0, 2)


def padding_of(conv: nn.Conv2d) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) zeros around the input of a convolution."""
    whole = [dilation * (kernel - 1) for dilation, kernel in zip(conv.dilation, conv.kernel_size, strict=True)]
    if isinstance(conv.padding, str):
        pairs = [(each // 2, each - each // 2) if conv.padding == 'same' else (0, 0) for each in whole]
    else:
        pairs = [(each, each) for each in conv.padding]
    return *pairs[1], *pairs[0]


def has_patches(conv: nn.Conv2d) -> bool:
    """Whether the moment of a convolution's patches is taken."""
    return conv.kernel_size != (1, 1) and conv.in_channels * prod(conv.kernel_size) <= LARGEST


def layer_moments(
    model: nn.Module, run: Callable[[Tensor], object], batches: Iterable[Tensor], names: Sequence[str], seed: int = 0
) -> dict[str, Moments]:
    """Moments of each named convolution.

    Args:
        run: runs the model on a batch of images.
        batches: images (N, 3, H, W); at least one batch.
        names: of convolutions that run.
        seed: of the positions that are drawn, with replacement.

    Raises:
        UserError: no image, or a layer that no image reaches.
    """
    modules, batches = dict(model.named_modules()), list(batches)
    most = -(-PATCHES // max(len(batches), 1))
    generator, patch_generator = (torch.Generator().manual_seed(seed) for _ in range(2))
    sums = {name: (Sums(), Sums(), Sums()) for name in names}

    def hook(name: str) -> Callable:
        def note(conv: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            plain = output if conv.bias is None else output - conv.bias[:, None, None]
            for running, maps in zip(sums[name][:2], (inputs[0], plain), strict=True):
                running.add(maps, generator)
            if has_patches(conv):
                sums[name][2].add_points(patches(conv, inputs[0], output.shape[2:], most, patch_generator))

        return note

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        with torch.no_grad():
            for images in batches:
                run(images)
    finally:
        for handle in handles:
            handle.remove()
    unseen = [name for name, (running, *_) in sums.items() if not running.count]
    if unseen:
        raise UserError(f'calibration: images: none reaches {unseen[0]}; give more images or leave that layer out')
    return {name: Moments(*(x.mean() for x in running)) for name, running in sums.items()}
