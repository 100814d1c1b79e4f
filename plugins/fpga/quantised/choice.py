"""Which fracs are taken: within the accelerator's words, and so that sums are only ever shifted to the right. Ours."""

import math
from collections.abc import Mapping, Sequence

import torch

from detplug.errors import UserError

from ..hardware.limits import MAX_BIAS, MAX_SHIFT
from .fixed_point import best_fracs
from .quantisers import INPUT_FRAC, frac_of
from .rebuilt_conv import RebuiltConv2d
from .scales import Step, weight_fracs

SPREAD = MAX_SHIFT // 2  # of the fracs of a kernel's channels; the rest is for what its map's frac may be coarser by


def set_weight_fracs(order: Sequence[Step], finest: Mapping[str, int], per_channel: bool) -> None:
    """Choose the scales of all kernels and cores, by least squared error as far as biases fit.

    Args:
        order: all convolutions.
        finest: group of maps -> the finest frac that it may get; the image's may be missing.
        per_channel: as for ``calibrate``.
    """
    for step in order:
        conv, source = step.conv, finest.get(step.source, INPUT_FRAC)
        if isinstance(conv, RebuiltConv2d):
            conv.calibrate()
            over = conv.weight_frac - int(bias_limits(step, source).min())
            conv.shifts[1] += max(over, 0)
            continue
        fracs = torch.minimum(best_fracs(conv.weight, per_channel and bool(step.targets)), bias_limits(step, source))
        if not (per_channel and step.targets):
            fracs = fracs.min().expand_as(fracs)
        frac_of(conv.weight_quant).copy_(fracs.clamp(max=int(fracs.min()) + SPREAD))


def bias_limits(step: Step, source: int) -> torch.Tensor:
    """(O,) int32, the finest frac of a kernel with which the bias fits, where the source has the frac ``source``."""
    bias = step.conv.bias
    if bias is None:
        return torch.full((step.conv.out_channels,), 127, dtype=torch.int32)
    limits = [math.floor(math.log2(MAX_BIAS / x)) if x else 127 for x in bias.abs().tolist()]
    return torch.tensor(limits, dtype=torch.int32) - source


def fitting_fracs(errors: Mapping[str, Mapping[int, float]], order: Sequence[Step]) -> dict[str, int]:
    """Group -> the frac of least error, the coarser one of equals, with which no map is finer than its sums.

    A map that would be is made coarser; what is made of it follows.

    Args:
        errors: group -> frac that was tried -> its error.

    Raises:
        UserError: kernels so large that there are no such fracs.
    """
    fracs = {name: min(sorted(losses), key=losses.get) for name, losses in errors.items()}
    finest = {id(step): int(weight_fracs(step.conv).min()) for step in order}
    for _ in range(len(fracs) + 1):
        before = dict(fracs)
        for step in order:
            limit = fracs.get(step.source, INPUT_FRAC) + finest[id(step)]
            for target in step.targets:
                if fracs[target] > limit:
                    below = {frac: error for frac, error in errors[target].items() if frac <= limit}
                    fracs[target] = min(sorted(below), key=below.get) if below else limit
        if fracs == before:
            return fracs
    large = min(order, key=lambda step: finest[id(step)])
    raise UserError(f'model: {large.layer}: weights so large that no scales hold its maps; train with weight decay')
