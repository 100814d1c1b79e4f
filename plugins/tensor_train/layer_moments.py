"""Second moments of what flows into and out of convolutions, over calibration images."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from detplug.errors import UserError

POSITIONS = 4096  # of a layer and batch that are looked at; drawn where there are more


class Moments(NamedTuple):
    """Means of x x^T over images and positions, uncentred, float64; ``output`` is of the output without bias."""

    input: Tensor
    output: Tensor


class Sums:
    """Sum of x x^T and number of x."""

    def __init__(self):
        self.total: Tensor | None = None
        self.count = 0

    def add(self, maps: Tensor, generator: torch.Generator) -> None:
        """Count the positions of (N, C, H, W) maps, at most POSITIONS of them."""
        points = maps.detach().transpose(0, 1).flatten(1)
        if points.shape[1] > POSITIONS:
            chosen = torch.randint(points.shape[1], (POSITIONS,), generator=generator)
            points = points[:, chosen.to(points.device)]
        points = points.double()
        self.total = points @ points.T + (0 if self.total is None else self.total)
        self.count += points.shape[1]

    def mean(self) -> Tensor:
        return self.total / self.count


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
    modules, generator = dict(model.named_modules()), torch.Generator().manual_seed(seed)
    sums = {name: (Sums(), Sums()) for name in names}

    def hook(name: str) -> Callable:
        def note(conv: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            bias = 0 if conv.bias is None else conv.bias[:, None, None]
            for running, maps in zip(sums[name], (inputs[0], output - bias), strict=True):
                running.add(maps, generator)

        return note

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        with torch.no_grad():
            for images in batches:
                run(images)
    finally:
        for handle in handles:
            handle.remove()
    unseen = [name for name, (running, _) in sums.items() if not running.count]
    if unseen:
        raise UserError(f'calibration: images: none reaches {unseen[0]}; give more images or leave that layer out')
    return {name: Moments(*(x.mean() for x in running)) for name, running in sums.items()}
