"""A Tensor-Train layer as the accelerator runs it: int8 cores, the dense kernel rebuilt from them in int8.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) rebuilds dense kernels on chip; the int8 product in between is ours.
O output channels, I input channels, r1 and r2 ranks.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..integers.tt_kernel import TTKernel
from .fixed_point import best_frac, straight, to_integers

EXACT_RANK = 1024  # 2 ** 24 / (128 * 128): so many products are summed exactly in float32
INT32 = 2**31 - 128  # the largest float32 below 2 ** 31


class RebuiltConv2d(nn.Module):
    """The dense convolution whose int8 kernel is :meth:`TTKernel.rebuild` of the cores; gradients reach the cores.

    Args:
        chain: module with ``cores``, the convolutions (I -> r1), (r1 -> r2, k x k), (r2 -> O), or a pair for 1x1.

    Attributes:
        core_fracs: (3,) or (2,) int32, of the cores; frozen.
        shifts: (2,) int32, by which both products are divided, as powers of two; of a pair the first is 0.
        bias_frac: () int32, of the bias and the sums.
        disable_quant: run the cores in float; not stored.
    """

    def __init__(self, chain: nn.Module):
        super().__init__()
        self.cores, self.disable_quant = chain.cores, False
        spatial = self.cores[len(self.cores) - 2]
        self.stride, self.padding, self.dilation = spatial.stride, spatial.padding, spatial.dilation
        self.kernel_size, self.groups, self.padding_mode = spatial.kernel_size, 1, 'zeros'
        self.in_channels, self.out_channels = self.cores[0].in_channels, self.cores[-1].out_channels
        self.register_buffer('core_fracs', torch.zeros(len(self.cores), dtype=torch.int32))
        self.register_buffer('shifts', torch.zeros(2, dtype=torch.int32))
        self.register_buffer('bias_frac', torch.zeros((), dtype=torch.int32))

    @property
    def bias(self) -> nn.Parameter | None:
        """(O,) of the last core."""
        return self.cores[-1].bias

    @property
    def weight_frac(self) -> int:
        """Of the rebuilt kernel."""
        return int(self.core_fracs.sum() - self.shifts.sum())

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> sums (N, O, H', W')."""
        if self.disable_quant:
            return self.cores(x)
        weight = self.integer_weight() * 2.0**-self.weight_frac
        return F.conv2d(x, weight.to(x), self._rounded_bias(), self.stride, self.padding, self.dilation)

    def integer_weight(self) -> Tensor:
        """(O, I, kh, kw) integers of the rebuilt kernel, floating point and differentiable."""
        cores = self._integer_cores()
        inner_shift, last_shift = self.shifts.tolist()
        inner = cores[0] if len(cores) == 2 else divide(product(cores[1], cores[0]), inner_shift)
        return divide(product(cores[-1], inner), last_shift)

    def kernel(self) -> TTKernel:
        """The cores in integers."""
        with torch.no_grad():
            first, *middle, last = [core.numpy(force=True).astype(np.int8) for core in self._integer_cores()]
        shifts = self.shifts.tolist()
        return TTKernel(first[:, :, 0, 0], middle[0] if middle else None, last[:, :, 0, 0], *shifts)

    def _integer_cores(self) -> list[Tensor]:
        """Kernels of the cores as integers, in a type in which their products are exact."""
        exact = max(core.in_channels for core in self.cores[1:]) <= EXACT_RANK
        return [
            to_integers(core.weight if exact else core.weight.double(), frac)
            for core, frac in zip(self.cores, self.core_fracs.tolist(), strict=True)
        ]

    def _rounded_bias(self) -> Tensor | None:
        if self.bias is None:
            return None
        scaled = self.bias * 2.0 ** int(self.bias_frac)
        return straight(scaled, scaled.round().clamp(-INT32, INT32)) * 2.0 ** -int(self.bias_frac)

    @torch.no_grad()
    def calibrate(self) -> None:
        """Choose the fracs of the cores and both shifts, each by least squared error."""
        self.core_fracs.copy_(torch.tensor([best_frac(core.weight) for core in self.cores]))
        cores, inner_shift = self._integer_cores(), 0
        inner = cores[0]
        if len(cores) == 3:
            sums = product(cores[1], inner)
            inner_shift = best_shift(sums)
            inner = divide(sums, inner_shift)
        self.shifts.copy_(torch.tensor([inner_shift, best_shift(product(cores[-1], inner))]))


def product(left: Tensor, right: Tensor) -> Tensor:
    """Kernel (O, I, kh, kw) of the convolution ``right`` and then ``left``, (S, I, ...) and (O, S, ...); one is 1x1."""
    if left.shape[2:] == (1, 1):
        return torch.einsum('os,sihw->oihw', left[:, :, 0, 0], right)
    return torch.einsum('oshw,si->oihw', left, right[:, :, 0, 0])


def divide(sums: Tensor, shift: int) -> Tensor:
    """Integers divided by 2 ** shift, half to even, clipped to int8."""
    return to_integers(sums, -shift)


def best_shift(sums: Tensor) -> int:
    """The shift after which int8 holds ``sums`` with the least squared error."""
    return max(-best_frac(sums), 0)
