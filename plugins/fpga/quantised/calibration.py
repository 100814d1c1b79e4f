"""The choice of all scales, powers of two of least squared error, and the rounding of kernels, on a few images."""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from .balance import balance
from .choice import fitting_fracs, set_weight_fracs
from .error_feedback import round_kernel
from .fixed_point import candidates, squared_error, zero_point
from .gains import apply_gains, choose_gains
from .quantisers import frac_of, zero_of
from .rebuilt_conv import RebuiltConv2d
from .scales import MapGroups, before, map_groups, set_bias_fracs, signed, steps
from .structure import read_structure
from .trace import is_chain
from .watching import activations_exact, ranges_of, run

GAIN_BATCHES = 2  # that gains are chosen on, for the time that each takes


@torch.no_grad()
def calibrate(network: nn.Module, batches: Sequence[Tensor], per_channel: bool = True) -> None:
    """Choose the scales of a network that :func:`quantise` made and round its kernels, in place.

    Tensor-Train cores are balanced and maps get gains first, which leaves what the network puts out as it is.
    Then the images pass three times: in float, for the range of each map; at once, layer after layer, to round each
    kernel for inputs that are rounded already; and for the frac of least squared error over all maps that share it.
    Kernels that are rebuilt from cores are rounded to the nearest.

    Args:
        batches: images (N, 3, H, W), 0 .. 1, at least one; the activations of all together must fit into memory.
        per_channel: a scale for each output channel of a kernel, but for kernels whose sums are a result and for those
            that are rebuilt; otherwise one for all of a kernel.

    Raises:
        UserError: no scales hold the kernels and biases of a layer.
    """
    for module in network.modules():
        if is_chain(module) or isinstance(module, RebuiltConv2d):
            balance(module.cores)
    structure = read_structure(network)
    apply_gains(network, structure, choose_gains(network, structure, batches[:GAIN_BATCHES]))
    structure = read_structure(network)  # the smallest values have gains, too
    groups = map_groups(network, structure)
    ranges = ranges_of(network, batches, groups)
    least = {name: structure.least(name) if structure.offset(name) else 0.0 for name in groups}
    tried = {name: candidates(largest - least[name], signed(groups[name])) for name, largest in ranges.items()}
    order = list(steps(network, structure))
    set_weight_fracs(order, {name: fracs[-1] for name, fracs in tried.items()}, per_channel)
    coarsest = {name: dict.fromkeys(fracs, 0.0) for name, fracs in tried.items()}
    set_map_fracs(groups, fitting_fracs(coarsest, order), least)
    set_bias_fracs(network, structure)
    round_kernels(network, torch.cat(list(batches)))
    errors = {name: dict.fromkeys(fracs, 0.0) for name, fracs in tried.items()}
    curves = {before(name): network.get_submodule(name).curve for name in structure.tables}

    def measure(name: str, x: Tensor) -> None:
        x = x if signed(groups[name]) else x.clamp(min=least[name])
        for frac in tried[name]:
            zero = zero_point(least[name], frac)
            errors[name][frac] += squared_error(x, frac, signed(groups[name]), curves.get(name), zero)

    with activations_exact(network, False):
        run(network, batches, groups, measure)
    set_map_fracs(groups, fitting_fracs(errors, order), least)
    set_bias_fracs(network, structure)


def round_kernels(network: nn.Module, images: Tensor) -> None:
    """Round each kernel for the inputs that it has behind rounded layers, in place."""
    with ExitStack() as stack:
        for conv in network.modules():
            if isinstance(conv, QuantConv2d):
                frac = frac_of(conv.weight_quant)
                hook = conv.register_forward_pre_hook(lambda conv, given, frac=frac: round_kernel(conv, *given, frac))
                stack.callback(hook.remove)
        network(images)


def set_map_fracs(groups: MapGroups, fracs: dict[str, int], least: dict[str, float]) -> None:
    """Give all quantisers of each group its frac, and the zero point with which they hold the ``least`` value."""
    for name, members in groups.items():
        for proxy in members:
            frac_of(proxy).fill_(fracs[name])
            if (zero := zero_of(proxy)) is not None:
                zero.fill_(zero_point(least[name], fracs[name]))
