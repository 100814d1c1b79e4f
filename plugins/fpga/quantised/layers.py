"""brevitas layers in the places of torch's, with their weights."""

from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from torch import nn

from .activation_table import ActivationTable
from .quantisers import (
    INPUT_FRAC,
    FrozenInt8,
    FrozenInt8Weight,
    FrozenInt32Bias,
    FrozenOffsetUint8,
    FrozenUint8,
    Quantiser,
    frac_of,
    make_per_channel,
)
from .rebuilt_conv import RebuiltConv2d
from .trace import is_chain


def quantised_layer(layer: nn.Module, form: str) -> nn.Module:
    """A convolution, or a Tensor-Train chain in one of its forms: ``chain`` or ``rebuild``."""
    if not is_chain(layer):
        return quantised_conv(layer)
    if form == 'rebuild':
        return RebuiltConv2d(layer)
    *before, last = layer.cores
    layer.cores = nn.Sequential(*(quantised_conv(core, FrozenInt8) for core in before), quantised_conv(last))
    return layer


def quantised_conv(conv: nn.Conv2d, output_quant: Quantiser | None = None) -> QuantConv2d:
    """Kernel int8, bias int32, its output as exact sums or rounded by ``output_quant``; scales still to be chosen."""
    new = QuantConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        bias=conv.bias is not None,
        weight_quant=FrozenInt8Weight,
        bias_quant=None if conv.bias is None else FrozenInt32Bias,
        output_quant=output_quant,
    ).to(conv.weight)
    new.weight = conv.weight
    make_per_channel(new.weight_quant, conv.out_channels)
    if conv.bias is not None:
        new.bias = conv.bias
        make_per_channel(new.bias_quant, conv.out_channels)
    return new.train(conv.training)


def quantised_activation(activation: nn.Module, signed: bool, offset: bool) -> nn.Module:
    """ReLU rounded to uint8; where its map shares a scale with negative ones, and for all others, a table."""
    if isinstance(activation, nn.ReLU) and not signed and not offset:
        return QuantReLU(act_quant=FrozenUint8)
    return ActivationTable(activation, offset)


def quantiser(signed: bool = False, offset: bool = False) -> QuantIdentity:
    """Rounds a map to uint8; where it may be negative to int8, or, with ``offset``, to uint8 with a zero point."""
    return QuantIdentity(act_quant=FrozenInt8 if signed else FrozenOffsetUint8 if offset else FrozenUint8)


def input_quantiser() -> QuantIdentity:
    """Rounds the image, 0 .. 1."""
    quantise = quantiser()
    frac_of(quantise.act_quant).fill_(INPUT_FRAC)
    return quantise
