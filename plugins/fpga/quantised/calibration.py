"""The choice of all scales, powers of two of least squared error, and the rounding of kernels, on a few images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from .balance import balance
from .error_feedback import round_kernel
from .fixed_point import best_frac, candidates, squared_error
from .quantisers import frac_of
from .rebuilt_conv import RebuiltConv2d
from .scales import MapGroups, map_groups, set_bias_fracs, signed
from .structure import read_structure
from .trace import is_chain

See = Callable[[str, Tensor], None]


@torch.no_grad()
def calibrate(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Choose the scales of a network that :func:`quantise` made and round its kernels, in place.

    Tensor-Train cores are balanced first, which leaves the layer as it is.
    The images pass three times: in float, for the range of each map; at once, layer after layer, to round each kernel
    for inputs that are rounded already; and for the frac of least squared error over all maps that share it. Kernels
    that are rebuilt from cores are rounded to the nearest.

    Args:
        batches: images (N, 3, H, W), 0 .. 1, at least one; the activations of all together must fit into memory.
    """
    structure = read_structure(network)
    for module in network.modules():
        if is_chain(module) or isinstance(module, RebuiltConv2d):
            balance(module.cores)
    set_weight_fracs(network)
    groups = map_groups(network, structure)
    ranges = dict.fromkeys(groups, 0.0)

    def widen(name: str, x: Tensor) -> None:
        ranges[name] = max(ranges[name], float(x.abs().max() if signed(groups[name]) else x.max()))

    with in_float(network, groups):
        run(network, batches, groups, widen)
    tried = {name: candidates(largest, signed(groups[name])) for name, largest in ranges.items()}
    set_map_fracs(groups, {name: fracs[0] for name, fracs in tried.items()})
    set_bias_fracs(network, structure)
    round_kernels(network, torch.cat(list(batches)))
    errors = {name: dict.fromkeys(fracs, 0.0) for name, fracs in tried.items()}

    def measure(name: str, x: Tensor) -> None:
        x = x if signed(groups[name]) else x.clamp(min=0)
        for frac in tried[name]:
            errors[name][frac] += squared_error(x, frac, signed(groups[name]))

    run(network, batches, groups, measure)
    set_map_fracs(groups, {name: min(losses, key=losses.get) for name, losses in errors.items()})
    set_bias_fracs(network, structure)


def round_kernels(network: nn.Module, images: Tensor) -> None:
    """Round each kernel for the inputs that it has behind rounded layers, in place."""
    with ExitStack() as stack:
        for conv in network.modules():
            if isinstance(conv, QuantConv2d):
                frac = int(frac_of(conv.weight_quant))
                before = conv.register_forward_pre_hook(lambda conv, given, frac=frac: round_kernel(conv, *given, frac))
                stack.callback(before.remove)
        network(images)


def set_weight_fracs(network: nn.Module) -> None:
    """Choose the scales of all kernels and cores."""
    for module in network.modules():
        if isinstance(module, RebuiltConv2d):
            module.calibrate()
        elif isinstance(module, QuantConv2d):
            frac_of(module.weight_quant).fill_(best_frac(module.weight))


def set_map_fracs(groups: MapGroups, fracs: dict[str, int]) -> None:
    """Give all quantisers of each group its frac."""
    for name, members in groups.items():
        for proxy in members:
            frac_of(proxy).fill_(fracs[name])


@contextmanager
def in_float(network: nn.Module, groups: MapGroups) -> Iterator[None]:
    """Within the block nothing but the image is rounded."""
    proxies = [proxy for members in groups.values() for proxy in members]
    for module in network.modules():
        if isinstance(module, QuantConv2d):
            proxies += [module.weight_quant, module.bias_quant]
    rebuilt = [module for module in network.modules() if isinstance(module, RebuiltConv2d)]
    try:
        for part in (*proxies, *rebuilt):
            part.disable_quant = True
        yield
    finally:
        for part in (*proxies, *rebuilt):
            part.disable_quant = False


def run(network: nn.Module, batches: Sequence[Tensor], groups: MapGroups, see: See) -> None:
    """Run all batches; ``see(name of the group, map)`` is called with everything that a quantiser is given."""
    with ExitStack() as stack:
        for name, members in groups.items():
            for proxy in members:
                stack.enter_context(watched(proxy, name, see))
        for batch in batches:
            network(batch)


@contextmanager
def watched(proxy: nn.Module, name: str, see: See) -> Iterator[None]:
    """``see(name, x)`` is called with what ``proxy`` is given."""
    handle = proxy.register_forward_pre_hook(lambda _, given: see(name, given[0]))
    try:
        yield
    finally:
        handle.remove()
