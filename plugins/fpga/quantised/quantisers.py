"""brevitas quantisers whose scales are powers of two chosen at calibration: no statistics, no gradient.

Maps have one scale, kernels and biases one for each output channel.

The frac is an integer buffer, so neither an optimiser nor an average of weights (ForeachEMA) can move it.
"""

import torch
from brevitas.core.function_wrapper import TensorClampSte
from brevitas.inject import ExtendedInjector
from brevitas.quant.base import IntQuant, PerTensorPoTScaling8bit, UintQuant
from brevitas.quant.solver.act import ActQuantSolver
from brevitas.quant.solver.bias import BiasQuantSolver
from brevitas.quant.solver.weight import WeightQuantSolver
from torch import Tensor, nn

from ..hardware.limits import INDEX_BITS
from .fixed_point import scale_of

INPUT_FRAC = 8  # of the image, 0 .. 1


class FrozenScale(nn.Module):
    """brevitas' ``scaling_impl``: the scale 2 ** -frac, whatever the values are; ``frac`` is () or (O,)."""

    def __init__(self):
        super().__init__()
        self.register_buffer('frac', torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor, threshold: Tensor | None = None) -> Tensor:
        """The scale in the type of ``x``: (), or (O, 1, ...) along its first axis."""
        scale = scale_of(self.frac).to(x)
        return scale if self.frac.dim() == 0 else scale.view(-1, *(1,) * (x.dim() - 1))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """With as many fracs as were saved; brevitas makes this module anew before, with one."""
        if (saved := state_dict.get(f'{prefix}frac')) is not None:
            self.register_buffer('frac', torch.zeros_like(saved, device=self.frac.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class FrozenZero(nn.Module):
    """brevitas' ``zero_point_impl``: the zero point that was chosen."""

    def __init__(self):
        super().__init__()
        self.register_buffer('zero', torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor, scale: Tensor, bit_width: Tensor) -> Tensor:
        """(), in the type of ``x``."""
        return self.zero.to(x)


class Frozen(PerTensorPoTScaling8bit):
    """8 bits with a frozen scale."""

    scaling_impl = FrozenScale


class FrozenInt8Weight(Frozen, IntQuant, WeightQuantSolver):
    """Of kernels: -128 .. 127, as a kernel that is rebuilt from cores."""

    tensor_clamp_impl = TensorClampSte


class FrozenInt32Bias(Frozen, IntQuant, BiasQuantSolver):
    """Of biases: its frac is that of the sum, the source's plus the weight's."""

    tensor_clamp_impl = TensorClampSte
    bit_width = 32
    requires_input_scale = False


class FrozenUint8(Frozen, UintQuant, ActQuantSolver):
    """Of maps after a ReLU, and of images."""


class FrozenInt8(Frozen, IntQuant, ActQuantSolver):
    """Of maps inside a Tensor-Train chain, and after an activation by a table."""


class FrozenIndex(FrozenInt8):
    """Of the sums that are looked up in a table."""

    bit_width = INDEX_BITS


class FrozenOffsetUint8(FrozenUint8):
    """Of maps after an activation that has a smallest value, and of their sums: signed, but hardly negative."""

    zero_point_impl = FrozenZero


Quantiser = type[ExtendedInjector]


def scale_module(proxy: nn.Module) -> FrozenScale:
    """Of a layer's ``act_quant``, ``output_quant``, ``weight_quant`` or ``bias_quant``."""
    fused = getattr(proxy, 'fused_activation_quant_proxy', None)
    return (proxy if fused is None else fused).tensor_quant.scaling_impl


def frac_of(proxy: nn.Module) -> Tensor:
    """The buffer int32 of a quantiser: () of maps, (O,) of kernels and biases."""
    return scale_module(proxy).frac


def zero_of(proxy: nn.Module) -> Tensor | None:
    """The buffer () int32 of a map's zero point; None where it has none."""
    return getattr(proxy.fused_activation_quant_proxy.tensor_quant.zero_point_impl, 'zero', None)


def make_per_channel(proxy: nn.Module, channels: int) -> None:
    """Give the quantiser of a kernel or bias one frac for each output channel, all zero."""
    scale_module(proxy).register_buffer('frac', torch.zeros(channels, dtype=torch.int32))
