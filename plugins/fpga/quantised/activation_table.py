"""An activation as the accelerator runs it: sums rounded to int8, and a table of 256 int8 that has the result. Ours.

SiLU, LeakyReLU and the like then need no training with ReLU in their place. The table follows from both scales and is
exact in torch, QONNX and integers, because all look up the same 256 numbers.
"""

import copy

import torch
from brevitas.nn import QuantIdentity
from mmcv.cnn.bricks.swish import Swish
from torch import Tensor, nn

from .fixed_point import limits, shifted, straight, to_integers
from .quantisers import FrozenInt8, frac_of

KINDS = (nn.SiLU, Swish, nn.LeakyReLU, nn.Hardswish, nn.ReLU6)
LOW, HIGH = limits(signed=True)


def is_table_activation(module: nn.Module) -> bool:
    """Whether a module is an activation that a table stands for."""
    return isinstance(module, KINDS)


class ActivationTable(nn.Module):
    """Rounds its input to int8, and the activation of that to int8.

    Args:
        activation: module of one number, without parameters.

    Attributes:
        before, after: quantisers of the input and of the output.
        exact: look the output up; at calibration it is the activation itself, so that scales are chosen by it.
    """

    def __init__(self, activation: nn.Module):
        super().__init__()
        self.activation, self.exact = copy.deepcopy(activation), True
        if hasattr(self.activation, 'inplace'):
            self.activation.inplace = False
        self.before, self.after = (QuantIdentity(act_quant=FrozenInt8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; gradients are the activation's."""
        x = self.before(x)
        if not self.exact:
            return self.after(self.activation(x))
        index = (shifted(x.detach(), int(frac_of(self.before.act_quant))) + -LOW).long()
        found = self.values().to(x)[index]
        return self.after(straight(self.activation(x), found) if x.requires_grad else found)

    @torch.no_grad()
    def integers(self) -> Tensor:
        """(256,) float64 integers: the output of each input from -128 to 127."""
        x = torch.arange(LOW, HIGH + 1, dtype=torch.float64)
        y = self.activation(shifted(x, -int(frac_of(self.before.act_quant))))
        return to_integers(y, int(frac_of(self.after.act_quant)))

    def values(self) -> Tensor:
        """(256,) float64: the integers times the output's scale; constants for an exporter that traces."""
        return torch.tensor(shifted(self.integers(), -int(frac_of(self.after.act_quant))).tolist(), dtype=torch.float64)
