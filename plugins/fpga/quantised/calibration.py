"""The choice of all scales, powers of two of least squared error, and the rounding of kernels, on a few images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from .balance import balance
from .chain_balance import balance_chains
from .choice import fitting_fracs, set_weight_fracs
from .error_feedback import round_kernel
from .gains import apply_gains, choose_gains
from .quantisers import frac_of, zero_of
from .rebuilt_conv import RebuiltConv2d
from .scales import MapGroups, map_groups, map_quantisers, set_bias_fracs, steps
from .structure import Structure, read_structure
from .watching import in_float


@torch.no_grad()
def calibrate(network: nn.Module, batches: Sequence[Tensor], per_channel: bool = True) -> None:
    """Choose the scales of a network that :func:`quantise` made and round its kernels, in place.

    Tensor-Train cores are balanced and maps get gains first, which leaves what the network puts out as it is.
    The images pass five times: in float for the maps inside of chains, then for the range of each map, then for the
    gain and the frac of least squared error over all maps that share them; all at once, in float and then layer after
    layer, to round each kernel for inputs that are rounded already, towards its float sums. Kernels that are rebuilt
    from cores are rounded to the nearest.

    Args:
        batches: images (N, 3, H, W), 0 .. 1, at least one; the float maps of all together must fit into memory.
        per_channel: a scale for each output channel of a kernel, but for kernels whose sums are a result and for those
            that are rebuilt; otherwise one for all of a kernel.

    Raises:
        UserError: no scales hold the kernels and biases of a layer.
    """
    for module in network.modules():
        if isinstance(module, RebuiltConv2d):
            balance(module.cores)
    structure = read_structure(network)
    balance_chains(network, structure, batches)
    gains, errors = choose_gains(network, structure, batches)
    apply_gains(network, structure, gains)
    structure = read_structure(network)  # the smallest values have gains, too
    groups = map_groups(network, structure)
    order = list(steps(network, structure))
    set_weight_fracs(order, {name: max(losses) for name, losses in errors.items()}, per_channel)
    set_map_fracs(groups, fitting_fracs(errors, order))
    set_zero_points(network, structure)
    set_bias_fracs(network, structure)
    round_kernels(network, groups, torch.cat(list(batches)))


def round_kernels(network: nn.Module, groups: MapGroups, images: Tensor) -> None:
    """Round each kernel for the inputs that it has behind rounded layers, in place.

    A layer that runs several times is rounded for its first inputs.
    """
    exact: dict[nn.Module, Tensor] = {}

    def keep(conv: nn.Module, given: tuple[Tensor, ...]) -> None:
        exact.setdefault(conv, given[0])

    def round_once(conv: nn.Module, given: tuple[Tensor, ...]) -> None:
        if conv in exact:
            round_kernel(conv, given[0], exact.pop(conv), frac_of(conv.weight_quant))

    with in_float(network, groups), before_convolutions(network, keep):
        network(images)
    with before_convolutions(network, round_once):
        network(images)


@contextmanager
def before_convolutions(network: nn.Module, see: Callable[[nn.Module, tuple[Tensor, ...]], None]) -> Iterator[None]:
    """Within the block ``see(convolution, its inputs)`` is called before each one runs."""
    with ExitStack() as stack:
        for conv in network.modules():
            if isinstance(conv, QuantConv2d):
                stack.callback(conv.register_forward_pre_hook(see).remove)
        yield


def set_map_fracs(groups: MapGroups, fracs: dict[str, int]) -> None:
    """Give all quantisers of each group its frac."""
    for name, members in groups.items():
        for proxy in members:
            frac_of(proxy).fill_(fracs[name])


def set_zero_points(network: nn.Module, structure: Structure) -> None:
    """Give each map without a sign the zero point with which it holds the least value of its activations."""
    for name, proxy in map_quantisers(network):
        if (zero := zero_of(proxy)) is not None:
            zero.fill_(structure.zero(name, int(frac_of(proxy))))
