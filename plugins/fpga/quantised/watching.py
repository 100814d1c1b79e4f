"""A network's maps as they are, and as they are rounded, while images pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from .activation_table import ActivationTable
from .rebuilt_conv import RebuiltConv2d
from .scales import MapGroups, signed

See = Callable[[str, Tensor], None]


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


def ranges_of(network: nn.Module, batches: Sequence[Tensor], groups: MapGroups) -> dict[str, float]:
    """Group -> its largest value in float, of maps with a sign the largest magnitude."""
    ranges = dict.fromkeys(groups, 0.0)

    def widen(name: str, x: Tensor) -> None:
        ranges[name] = max(ranges[name], float(x.abs().max() if signed(groups[name]) else x.max()))

    with in_float(network, groups):
        run(network, batches, groups, widen)
    return ranges
