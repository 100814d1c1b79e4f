"""The scales of a quantised network: which quantisers have one, what follows from what, and that of every bias."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from brevitas.nn import QuantIdentity, QuantReLU
from torch import Tensor, nn

from detplug.errors import UserError

from ..hardware.limits import MAX_SHIFT
from .activation_table import ActivationTable
from .quantisers import INPUT_FRAC, frac_of, zero_of
from .rebuilt_conv import RebuiltConv2d
from .structure import INPUT, Structure, read_structure
from .trace import is_chain

MapGroups = dict[str, list[nn.Module]]


def signed(members: list[nn.Module]) -> bool:
    """Whether the maps of a group may be negative."""
    return bool(members[0].is_signed)


def map_groups(network: nn.Module, structure: Structure) -> MapGroups:
    """Name of a group -> its quantisers (brevitas proxies), without those of the image, whose scale is fixed.

    A map inside a Tensor-Train chain is a group of its own, and so are the rounded sums before a table.
    """
    groups: MapGroups = {}
    for name, proxy in map_quantisers(network):
        groups.setdefault(structure.shared.of(name), []).append(proxy)
    groups.pop(structure.shared.of(INPUT), None)
    for name in structure.tables:
        groups[before(name)] = [network.get_submodule(name).before.act_quant]
    for name in structure.reads:
        for index, core in enumerate(convolutions(network.get_submodule(name))[:-1]):
            groups[f'{name}.cores.{index}'] = [core.output_quant]
    return groups


def map_quantisers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name of each activation, sum and image, and its quantiser (brevitas proxy)."""
    inside = set()
    for name, module in network.named_modules():
        if isinstance(module, ActivationTable):
            inside |= {module.before, module.after}
            yield name, module.after.act_quant
        elif isinstance(module, QuantReLU | QuantIdentity) and module not in inside:
            yield name, module.act_quant


def before(activation: str) -> str:
    """Name of the group of the rounded sums before a table."""
    return f'{activation}.before'


def convolutions(layer: nn.Module) -> list[nn.Module]:
    """Those that run in a layer, in their order."""
    return list(layer.cores) if is_chain(layer) else [layer]


@dataclass(frozen=True)
class Step:
    """One convolution between groups of maps.

    Attributes:
        layer: name of the layer that it is, or is a core of.
        source: group of the map that it reads.
        targets: groups that its sums are rounded to; none where they are a result.
    """

    layer: str
    conv: nn.Module
    source: str
    targets: tuple[str, ...]


def steps(network: nn.Module, structure: Structure) -> Iterator[Step]:
    """All convolutions in order of execution."""
    modules = dict(network.named_modules())
    for name, read in structure.reads.items():
        source, convs = structure.shared.of(read), convolutions(modules[name])
        for index, conv in enumerate(convs[:-1]):
            yield Step(name, conv, source, (made := f'{name}.cores.{index}',))
            source = made
        targets = (
            before(made) if isinstance(modules[made], ActivationTable) else structure.shared.of(made)
            for made in structure.makes[name]
        )
        yield Step(name, convs[-1], source, tuple(dict.fromkeys(targets)))


def weight_fracs(conv: nn.Module) -> Tensor:
    """(O,), or (1,) where it is one for all, int32, of the kernel of a convolution."""
    if isinstance(conv, RebuiltConv2d):
        return torch.tensor([conv.weight_frac], dtype=torch.int32)
    return frac_of(conv.weight_quant).view(-1)


def map_fracs(network: nn.Module, structure: Structure) -> dict[str, int]:
    """Group -> its frac, the image's too."""
    fracs = {name: int(frac_of(members[0])) for name, members in map_groups(network, structure).items()}
    return fracs | {structure.shared.of(INPUT): INPUT_FRAC}


def bias_buffer(conv: nn.Module) -> Tensor:
    """The buffer of the bias' frac, () or (O,)."""
    return conv.bias_frac if isinstance(conv, RebuiltConv2d) else frac_of(conv.bias_quant)


def set_bias_fracs(network: nn.Module, structure: Structure) -> None:
    """Give every bias the unit of the sums that it is added to."""
    fracs = map_fracs(network, structure)
    for step in steps(network, structure):
        if step.conv.bias is not None:
            buffer = bias_buffer(step.conv)
            buffer.copy_((fracs[step.source] + weight_fracs(step.conv)).view_as(buffer))


def check_scales(network: nn.Module) -> None:
    """Refuse a network whose stored scales do not belong together, as of a damaged checkpoint.

    Raises:
        UserError: maps that are added or concatenated have several scales, a bias another unit than its sums, or sums
            that no shift to the right brings to the scale of their map.
    """
    structure = read_structure(network)
    for name, members in map_groups(network, structure).items():
        several = sorted({int(frac_of(proxy)) for proxy in members})
        if len(several) > 1:
            raise UserError(f'model: {name}: its group of maps has the fracs {several}, not one; calibrate it again')
    for name, proxy in map_quantisers(network):
        if (zero := zero_of(proxy)) is not None and int(zero) != structure.zero(name, int(frac_of(proxy))):
            raise UserError(f'model: {name}: zero point {int(zero)}, which does not fit its scale; calibrate it again')
    fracs = map_fracs(network, structure)
    for step in steps(network, structure):
        sums = fracs[step.source] + weight_fracs(step.conv)
        if step.conv.bias is not None:
            own = bias_buffer(step.conv).view(-1)
            for mine, theirs in zip(own.tolist(), sums.tolist(), strict=True):
                if mine != theirs:
                    raise UserError(f'model: {step.layer}: bias of frac {mine}, sums of {theirs}; calibrate it again')
        for target in step.targets:
            low, high = int(sums.min()) - fracs[target], int(sums.max()) - fracs[target]
            if low < 0 or high > MAX_SHIFT:
                problem = f'its sums would be shifted by {low} to {high}, not 0 to {MAX_SHIFT}'
                raise UserError(f'model: {step.layer}: {problem}; calibrate it again')
