"""An activation as the accelerator runs it: sums rounded to 10 bits, and a table that has the result in 8. Ours.

SiLU, LeakyReLU and the like then need no training with ReLU in their place. The table follows from both scales and is
exact in torch, QONNX and integers, because all look up the same 1,024 numbers.
"""

import copy

import torch
from brevitas.nn import QuantIdentity
from mmcv.cnn.bricks.swish import Swish
from torch import Tensor, nn

from ..hardware.limits import INDEX_BITS
from .fixed_point import limits, shifted, straight, to_integers
from .quantisers import FrozenIndex, FrozenInt8, FrozenOffsetUint8, frac_of, zero_of

KINDS = (nn.SiLU, Swish, nn.LeakyReLU, nn.Hardswish, nn.ReLU6)
LOW, HIGH = limits(signed=True, bits=INDEX_BITS)


def is_table_activation(module: nn.Module) -> bool:
    """Whether a module is an activation that a table stands for."""
    return isinstance(module, KINDS)


def least_value(activation: nn.Module) -> float:
    """The smallest value of an activation; -inf where it has none."""
    x = torch.linspace(-16, 16, 4097, dtype=torch.float64)
    with torch.no_grad():
        bounded = float(activation(x.new_tensor([-1e6]))) > -1
        return min(float(activation(x).min()), 0.0) if bounded else float('-inf')


def gain_of(quarters: int | Tensor) -> float:
    """2 ** (quarters / 4)."""
    return 2.0 ** (int(quarters) / 4)


class ActivationTable(nn.Module):
    """Rounds its input to INDEX_BITS with a sign, and the activation of that to 8 bits.

    Args:
        activation: module of one number, without parameters.
        offset: the output has no sign but a zero point, which leaves the positive values one bit more.

    Attributes:
        before, after: quantisers of the input and of the output.
        input_quarters, output_quarters: () int32, gains of the input and of the output in quarters of an octave.
        exact: look the output up; at calibration it is the activation itself, so that scales are chosen by it.
    """

    def __init__(self, activation: nn.Module, offset: bool = False):
        super().__init__()
        self.activation, self.exact = copy.deepcopy(activation), True
        if hasattr(self.activation, 'inplace'):
            self.activation.inplace = False
        self.before = QuantIdentity(act_quant=FrozenIndex)
        self.after = QuantIdentity(act_quant=FrozenOffsetUint8 if offset else FrozenInt8)
        for name in ('input_quarters', 'output_quarters'):
            self.register_buffer(name, torch.zeros((), dtype=torch.int32))

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """Without gains where none were saved."""
        for name in ('input_quarters', 'output_quarters'):
            state_dict.setdefault(f'{prefix}{name}', torch.zeros((), dtype=torch.int32))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def curve(self, x: Tensor) -> Tensor:
        """The activation between both gains."""
        return self.activation(x / gain_of(self.input_quarters)) * gain_of(self.output_quarters)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; gradients are the activation's."""
        x = self.before(x)
        if not self.exact:
            return self.after(self.curve(x))
        index = (shifted(x.detach(), int(frac_of(self.before.act_quant))) + -LOW).long()
        found = self.values().to(x)[index]
        return self.after(straight(self.curve(x), found) if x.requires_grad else found)

    @torch.no_grad()
    def integers(self) -> Tensor:
        """(2 ** INDEX_BITS,) float64 integers, less their zero point: the output of each input from LOW to HIGH."""
        x = torch.arange(LOW, HIGH + 1, dtype=torch.float64)
        y = self.curve(shifted(x, -int(frac_of(self.before.act_quant))))
        after, zero = self.after.act_quant, zero_of(self.after.act_quant)
        return to_integers(y, int(frac_of(after)), zero is None, 0 if zero is None else int(zero))

    def values(self) -> Tensor:
        """(2 ** INDEX_BITS,) float64: the integers times the output's scale; constants for an exporter that traces."""
        return torch.tensor(shifted(self.integers(), -int(frac_of(self.after.act_quant))).tolist(), dtype=torch.float64)
