"""The scales of a quantised network: which quantisers have one, and that of every bias."""

from collections.abc import Iterator

from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from torch import nn

from detplug.errors import UserError

from .quantisers import INPUT_FRAC, frac_of
from .rebuilt_conv import RebuiltConv2d
from .structure import INPUT, Structure, read_structure
from .trace import is_chain

MapGroups = dict[str, list[nn.Module]]


def signed(members: list[nn.Module]) -> bool:
    """Whether the maps of a group may be negative."""
    return bool(members[0].is_signed)


def map_groups(network: nn.Module, structure: Structure) -> MapGroups:
    """Name of a group -> its quantisers (brevitas proxies), without those of the image, whose scale is fixed.

    A map inside a Tensor-Train chain is a group of its own.
    """
    groups: MapGroups = {}
    for name, module in network.named_modules():
        if isinstance(module, QuantReLU | QuantIdentity):
            groups.setdefault(structure.shared.of(name), []).append(module.act_quant)
    groups.pop(structure.shared.of(INPUT), None)
    for name in structure.reads:
        for index, core in enumerate(convolutions(network.get_submodule(name))[:-1]):
            groups[f'{name}.cores.{index}'] = [core.output_quant]
    return groups


def convolutions(layer: nn.Module) -> list[nn.Module]:
    """Those that run in a layer, in their order."""
    return list(layer.cores) if is_chain(layer) else [layer]


def bias_fracs(network: nn.Module, structure: Structure) -> Iterator[tuple[str, nn.Module, int]]:
    """(name of a layer, the convolution with its bias, the frac that the bias must have)."""
    fracs = {name: int(frac_of(members[0])) for name, members in map_groups(network, structure).items()}
    fracs[structure.shared.of(INPUT)] = INPUT_FRAC
    for name, source in structure.reads.items():
        frac = fracs[structure.shared.of(source)]
        for conv in convolutions(network.get_submodule(name)):
            if isinstance(conv, RebuiltConv2d):
                frac += conv.weight_frac
            else:
                frac += int(frac_of(conv.weight_quant))
            if conv.bias is not None:
                yield name, conv, frac
            if isinstance(conv, QuantConv2d) and conv.output_quant.is_quant_enabled:
                frac = int(frac_of(conv.output_quant))


def bias_buffer(conv: nn.Module):
    """The buffer of the bias' frac."""
    return conv.bias_frac if isinstance(conv, RebuiltConv2d) else frac_of(conv.bias_quant)


def set_bias_fracs(network: nn.Module, structure: Structure) -> None:
    """Give every bias the unit of the sums that it is added to."""
    for _, conv, frac in bias_fracs(network, structure):
        bias_buffer(conv).fill_(frac)


def check_scales(network: nn.Module) -> None:
    """Refuse a network whose stored scales do not belong together, as of a damaged checkpoint.

    Raises:
        UserError: maps that are added or concatenated have several scales, or a bias another unit than its sums.
    """
    structure = read_structure(network)
    for name, members in map_groups(network, structure).items():
        fracs = sorted({int(frac_of(proxy)) for proxy in members})
        if len(fracs) > 1:
            raise UserError(f'model: {name}: its group of maps has the fracs {fracs}, not one; calibrate it again')
    for name, conv, frac in bias_fracs(network, structure):
        if int(bias_buffer(conv)) != frac:
            raise UserError(f'model: {name}: bias of frac {int(bias_buffer(conv))}, sums of {frac}; calibrate it again')
