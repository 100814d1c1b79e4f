"""A convolution as a Tensor-Train of factorised channels, rebuilt to run: for study, and for hardware that rebuilds.

Factorised channel modes are those of TT-YOLOv5 (arXiv 2408.01534), whose accelerator fetches the cores, rebuilds the
dense kernel on chip and convolves as usual; here it is the same in torch. The order of the modes (input channels,
positions, output channels) is that of :mod:`decomposition`, so that one mode a side is its chain. The modes are not
merged in pairs of an input and an output one. What runs is no smaller or faster than the dense layer: compression
uses TTConv2d. I = i_1 ... i_m input channels, O = o_1 ... o_n output channels, kernel kh x kw.
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from .decomposition import cut_ranks, tensor_from_cores, tt_svd

Modes = Sequence[int]


class TTFactorisedConv2d(nn.Module):
    """Cores over (i_1, ..., i_m, kh kw, o_1, ..., o_n), without the middle mode for a 1x1 kernel.

    Of 512 to 256 channels with 3x3 kernels, in_modes (32, 16) and out_modes (16, 16) make [32, 16, 9, 16, 16].

    Args:
        out_modes, in_modes: factors of the numbers of channels.
        ranks: one for each bond, one fewer than modes; what an unfolding does not have is cut off.

    Raises:
        ValueError: not one rank of at least 1 for each bond.

    Attributes:
        ranks: as they are after cutting.
        cores: (r_{i-1}, n_i, r_i) parameters.
    """

    groups, padding_mode = 1, 'zeros'

    def __init__(
        self,
        out_modes: Modes,
        in_modes: Modes,
        kernel_size: int | Sequence[int],
        ranks: Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.out_modes, self.in_modes = tuple(out_modes), tuple(in_modes)
        self.out_channels, self.in_channels = prod(out_modes), prod(in_modes)
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        modes = kernel_modes(self.out_modes, self.in_modes, self.kernel_size)
        if len(ranks) != len(modes) - 1 or any(rank < 1 for rank in ranks):
            raise ValueError(f'ranks {tuple(ranks)}: {len(modes) - 1} of at least 1 are wanted for modes {modes}')
        self.ranks = cut_ranks(modes, ranks)
        bonds = (1, *self.ranks, 1)
        self.cores = nn.ParameterList(
            nn.Parameter(torch.empty(bonds[i], size, bonds[i + 1])) for i, size in enumerate(modes)
        )
        self.bias = nn.Parameter(torch.empty(self.out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw normal cores of which the kernel has the variance of torch's dense ones, 1 / (3 I kh kw) (ours)."""
        fan = self.in_channels * prod(self.kernel_size)
        # an entry of the kernel is a sum of prod(ranks) products of one entry of each core
        spread = (1 / (3 * fan * prod(self.ranks))) ** (0.5 / len(self.cores))
        for core in self.cores:
            nn.init.normal_(core, std=spread)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -(fan**-0.5), fan**-0.5)

    @property
    def weight(self) -> Tensor:
        """(O, I, kh, kw) kernel, rebuilt."""
        kernel = tensor_from_cores(list(self.cores)).reshape(self.in_channels, -1, self.out_channels)
        return kernel.permute(2, 0, 1).unflatten(2, self.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H', W'), as the dense convolution."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)

    @classmethod
    def from_conv(
        cls, conv: nn.Conv2d, out_modes: Modes, in_modes: Modes, ranks: Sequence[int]
    ) -> 'TTFactorisedConv2d':
        """The TT-SVD of a dense convolution's kernel, and its bias.

        Raises:
            ValueError: modes that are not factors of the channels, a grouped convolution, or padding that is not zeros.
        """
        if conv.groups != 1 or conv.padding_mode != 'zeros':
            raise ValueError(f'groups {conv.groups}, padding {conv.padding_mode!r}: such a convolution stays dense')
        if (prod(out_modes), prod(in_modes)) != (conv.out_channels, conv.in_channels):
            raise ValueError(
                f'{out_modes} x {in_modes}: no factors of {conv.out_channels} x {conv.in_channels} channels'
            )
        place = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
        bias = conv.bias is not None
        factorised = cls(out_modes, in_modes, conv.kernel_size, ranks, **place, bias=bias).to(conv.weight)
        kernel = conv.weight.detach().flatten(2).permute(1, 2, 0)  # (I, kh kw, O)
        with torch.no_grad():
            found = tt_svd(kernel.reshape(kernel_modes(out_modes, in_modes, conv.kernel_size)), factorised.ranks)
            for core, value in zip(factorised.cores, found, strict=True):
                core.copy_(value)
            if bias:
                factorised.bias.copy_(conv.bias)
        return factorised.train(conv.training)

    def to_conv(self) -> nn.Conv2d:
        """The dense convolution that this is."""
        place = dict(stride=self.stride, padding=self.padding, dilation=self.dilation)
        shape = self.in_channels, self.out_channels, self.kernel_size
        conv = nn.Conv2d(*shape, **place, bias=self.bias is not None).to(self.cores[0])
        with torch.no_grad():
            conv.weight.copy_(self.weight)
            if self.bias is not None:
                conv.bias.copy_(self.bias)
        return conv.train(self.training)


def kernel_modes(out_modes: Modes, in_modes: Modes, kernel_size: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the tensor that is decomposed: input channels, positions unless there is one, output channels."""
    positions = prod(kernel_size)
    return (*in_modes, *((positions,) if positions > 1 else ()), *out_modes)
