"""The choice of all scales, powers of two of least squared error, and the rounding of kernels, on a few images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from .activation_table import ActivationTable
from .balance import balance
from .choice import fitting_fracs, set_weight_fracs
from .error_feedback import round_kernel
from .fixed_point import candidates, squared_error, zero_point
from .quantisers import frac_of, zero_of
from .rebuilt_conv import RebuiltConv2d
from .scales import MapGroups, before, map_groups, set_bias_fracs, signed, steps
from .structure import read_structure
from .trace import is_chain

See = Callable[[str, Tensor], None]


@torch.no_grad()
def calibrate(network: nn.Module, batches: Sequence[Tensor], per_channel: bool = True) -> None:
    """Choose the scales of a network that :func:`quantise` made and round its kernels, in place.

    Tensor-Train cores are balanced first, which leaves the layer as it is.
    The images pass three times: in float, for the range of each map; at once, layer after layer, to round each kernel
    for inputs that are rounded already; and for the frac of least squared error over all maps that share it. Kernels
    that are rebuilt from cores are rounded to the nearest.

    Args:
        batches: images (N, 3, H, W), 0 .. 1, at least one; the activations of all together must fit into memory.
        per_channel: a scale for each output channel of a kernel, but for kernels whose sums are a result and for those
            that are rebuilt; otherwise one for all of a kernel.

    Raises:
        UserError: no scales hold the kernels and biases of a layer.
    """
    structure = read_structure(network)
    for module in network.modules():
        if is_chain(module) or isinstance(module, RebuiltConv2d):
            balance(module.cores)
    groups = map_groups(network, structure)
    ranges = dict.fromkeys(groups, 0.0)

    def widen(name: str, x: Tensor) -> None:
        ranges[name] = max(ranges[name], float(x.abs().max() if signed(groups[name]) else x.max()))

    with in_float(network, groups):
        run(network, batches, groups, widen)
    least = {name: structure.least(name) if structure.offset(name) else 0.0 for name in groups}
    tried = {name: candidates(largest - least[name], signed(groups[name])) for name, largest in ranges.items()}
    order = list(steps(network, structure))
    set_weight_fracs(order, {name: fracs[-1] for name, fracs in tried.items()}, per_channel)
    coarsest = {name: dict.fromkeys(fracs, 0.0) for name, fracs in tried.items()}
    set_map_fracs(groups, fitting_fracs(coarsest, order), least)
    set_bias_fracs(network, structure)
    round_kernels(network, torch.cat(list(batches)))
    errors = {name: dict.fromkeys(fracs, 0.0) for name, fracs in tried.items()}
    curves = {before(name): network.get_submodule(name).activation for name in structure.tables}

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
        with activations_exact(network, False):
            yield
    finally:
        for part in (*proxies, *rebuilt):
            part.disable_quant = False


@contextmanager
def activations_exact(network: nn.Module, exact: bool) -> Iterator[None]:
    """Within the block activations by a table look it up, or compute the activation itself."""
    tables = [module for module in network.modules() if isinstance(module, ActivationTable)]
    try:
        for table in tables:
            table.exact = exact
        yield
    finally:
        for table in tables:
            table.exact = True


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
