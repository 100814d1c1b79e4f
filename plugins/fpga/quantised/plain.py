"""A quantised network in torch's own layers, with the same values: what an exporter that knows no brevitas takes."""

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from torch import Tensor, nn

from .activation_table import LOW, ActivationTable
from .fixed_point import limits, shifted, to_integers
from .quantisers import frac_of, zero_of
from .rebuilt_conv import INT32, RebuiltConv2d


class RoundTo(nn.Module):
    """Rounds a map to integers times 2 ** -frac; not for training."""

    def __init__(self, proxy: nn.Module):
        super().__init__()
        self.scale, self.limits = 2.0 ** int(frac_of(proxy)), limits(bool(proxy.is_signed), int(proxy.bit_width()))
        zero = zero_of(proxy)
        self.zero = 0 if zero is None else int(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return (torch.round(x * self.scale + self.zero).clamp(*self.limits) - self.zero) / self.scale


class LookUp(nn.Module):
    """The outputs of a table of its inputs, which are rounded already."""

    def __init__(self, table: nn.Module):
        super().__init__()
        self.scale = 2.0 ** int(frac_of(table.before.act_quant))
        self.register_buffer('values', table.values().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.values.to(x)[(x * self.scale + -LOW).long()]


@torch.no_grad()
def make_plain(model: nn.Module) -> None:
    """Replace every quantised layer of ``model``, in place; its scales are fixed from then on."""
    tables = [module for module in model.modules() if isinstance(module, ActivationTable)]
    inside = {part for table in tables for part in (table.before, table.after)}
    for name, module in list(model.named_modules()):
        if module in inside:
            continue
        if isinstance(module, RebuiltConv2d):
            weight = module.integer_weight() * 2.0**-module.weight_frac
            model.set_submodule(name, plain_conv(module, weight, int(module.bias_frac)))
        elif isinstance(module, QuantConv2d):
            frac = frac_of(module.weight_quant)
            bias_frac = 0 if module.bias is None else frac_of(module.bias_quant)
            conv = plain_conv(module, shifted(to_integers(module.weight, frac), -frac), bias_frac)
            rounds = module.output_quant.is_quant_enabled
            model.set_submodule(name, nn.Sequential(conv, RoundTo(module.output_quant)) if rounds else conv)
        elif isinstance(module, ActivationTable):
            model.set_submodule(name, nn.Sequential(RoundTo(module.before.act_quant), LookUp(module)))
        elif isinstance(module, QuantReLU):
            model.set_submodule(name, nn.Sequential(nn.ReLU(), RoundTo(module.act_quant)))
        elif isinstance(module, QuantIdentity):
            model.set_submodule(name, RoundTo(module.act_quant))


def plain_conv(layer: nn.Module, weight: Tensor, bias_frac: int | Tensor) -> nn.Conv2d:
    """The convolution of ``layer`` with a kernel that is rounded, its bias rounded to ``bias_frac``."""
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        bias=layer.bias is not None,
    ).to(weight)
    conv.weight.copy_(weight)
    if layer.bias is not None:
        conv.bias.copy_(shifted(shifted(layer.bias, bias_frac).round().clamp(-INT32, INT32), -bias_frac))
    return conv
