"""Maps that fill their 8 bits: a gain for each, put into the kernels before and behind it, so that scales stay shifts.

Powers of two alone leave up to half of the range of a map unused. The kernels that make a map are multiplied by its
gain, those that read it divided by it, and an activation by a table is looked up between two gains: what the network
puts out stays the same. Cross-layer equalisation (Nagel et al., arXiv 1906.04721) does so for each channel behind a
ReLU; that a map gets any scale in this way, also around the table of a SiLU, is ours.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..hardware.limits import INDEX_BITS
from .activation_table import gain_of
from .fixed_point import candidates, finest_frac, limits, squared_error, zero_point
from .rebuilt_conv import RebuiltConv2d
from .scales import before, map_groups, signed, steps
from .structure import INPUT, Structure
from .watching import in_float, ranges_of, run

QUARTERS = range(4)  # of an octave, that a gain may have; a whole octave is a shift
VALUES = 2**18  # of each map of a batch, evenly spaced, on which errors are measured


def fixed_groups(network: nn.Module, structure: Structure) -> set[str]:
    """Groups whose maps keep their values.

    The image's; the maps of a layer that several activations follow.
    """
    groups = {structure.shared.of(INPUT)}
    for step in steps(network, structure):
        if len(step.targets) > 1:
            groups.update(step.targets)
    return groups


@torch.no_grad()
def choose_gains(
    network: nn.Module, structure: Structure, batches: Sequence[Tensor]
) -> tuple[dict[str, int], dict[str, dict[int, float]]]:
    """The gains with which 8 bits lose least of the float maps, or of what a table makes of them, and clip nothing.

    What a smaller range does to boxes and scores of all classes is measured by benchmarks/fpga_calibration.py.

    Returns:
        group -> its gain in quarters of an octave, 0 of those that keep their values; and group -> frac -> sum of
        squares of what is lost with that gain.
    """
    keep = fixed_groups(network, structure)
    groups = map_groups(network, structure)
    curves = {before(name): network.get_submodule(name).curve for name in structure.tables}
    after = {before(name): structure.shared.of(name) for name in structure.tables}
    ranges = ranges_of(network, batches, groups)
    errors = {name: {quarters: {} for quarters in ((0,) if name in keep else QUARTERS)} for name in groups}

    def measure(name: str, x: Tensor) -> None:
        x = x.flatten()[:: x.numel() // VALUES | 1]  # odd: an even step sees few columns of an even width
        sign, curve = signed(groups[name]), curves.get(name)
        least, multiple = (structure.least(name) if structure.offset(name) else 0.0), structure.largest_multiple(name)
        x = x if sign else x.clamp(min=multiple * least)
        for quarters, losses in errors[name].items():
            gain = gain_of(quarters)
            largest = (ranges[name] - multiple * least) * gain
            if curve is not None:
                for frac in candidates(largest, bits=INDEX_BITS):
                    lost = table_error(x, gain, frac, curve, ranges[after[name]])
                    losses[frac] = losses.get(frac, 0.0) + lost
                continue
            frac = finest_frac(largest, sign)
            frac -= zero_point(least * gain, frac, multiple) > 255
            lost = squared_error(x * gain, frac, sign, zero=zero_point(least * gain, frac, multiple)) / gain**2
            losses[frac] = losses.get(frac, 0.0) + lost

    with in_float(network, groups):
        run(network, batches, groups, measure)
    gains = {name: min(own, key=lambda quarters, own=own: min(own[quarters].values())) for name, own in errors.items()}
    return gains, {name: errors[name][quarters] for name, quarters in gains.items()}


def table_error(x: Tensor, gain: float, frac: int, curve: Callable[[Tensor], Tensor], largest: float) -> float:
    """Sum of squares of what a table loses for the index; infinite where the index clips what its results show.

    Args:
        x: what the activation ``curve`` is given, without its gain.
        largest: value of the results, of which they have 255 steps.
    """
    low, high = (limit * 2.0**-frac / gain for limit in limits(signed=True, bits=INDEX_BITS))
    if x.numel() and float((curve(x.clamp(low, high)) - curve(x)).abs().max()) > largest / 255:
        return float('inf')
    return squared_error(x * gain, frac, True, lambda y: curve(y / gain), bits=INDEX_BITS)


@torch.no_grad()
def apply_gains(network: nn.Module, structure: Structure, gains: Mapping[str, int]) -> None:
    """Multiply the maps of each group by 2 ** (its gain / 4), in place; a group without one keeps its values."""
    for step in steps(network, structure):
        cores = step.conv.cores if isinstance(step.conv, RebuiltConv2d) else [step.conv]
        made = gain_of(gains.get(step.targets[0], 0) if step.targets else 0)
        cores[0].weight.div_(gain_of(gains.get(step.source, 0)))
        cores[-1].weight.mul_(made)
        if step.conv.bias is not None:
            step.conv.bias.mul_(made)
    for name in structure.tables:
        table = network.get_submodule(name)
        table.input_quarters.add_(gains.get(before(name), 0))
        table.output_quarters.add_(gains.get(structure.shared.of(name), 0))
