"""A convolution as a Tensor-Train chain of small convolutions (TT-YOLOv5, arXiv 2408.01534)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from .decomposition import Kernels, chain_from_kernel, kernel_from_chain


class TTConv2d(nn.Module):
    """1x1 from I to r1, k x k from r1 to r2, 1x1 from r2 to O; a 1x1 layer is a pair, from I to r and from r to O.

    The k x k convolution carries stride, padding and dilation, of a pair the first one. Only the last has a bias. No
    bias before it and padding by zeros make the chain equal to the dense convolution of :attr:`weight`. Convolutions
    with another padding stay dense.

    Raises:
        ValueError: one rank for a 1x1 kernel and two for any other are wanted.

    Attributes:
        ranks: (r,) or (r1, r2).
        cores: the chain, nn.Conv2d each.
    """

    groups, padding_mode = 1, 'zeros'

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        ranks: Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        self.ranks = tuple(ranks)
        bonds = 1 if self.kernel_size == (1, 1) else 2
        if len(self.ranks) != bonds:
            raise ValueError(f'ranks {self.ranks}: a kernel of {self.kernel_size} wants {bonds}')
        place = dict(stride=self.stride, padding=self.padding, dilation=self.dilation)
        if self.kernel_size == (1, 1):
            cores = [nn.Conv2d(in_channels, ranks[0], 1, **place, bias=False)]
        else:
            cores = [
                nn.Conv2d(in_channels, ranks[0], 1, bias=False),
                nn.Conv2d(ranks[0], ranks[1], self.kernel_size, **place, bias=False),
            ]
        self.cores = nn.Sequential(*cores, nn.Conv2d(ranks[-1], out_channels, 1, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H', W'), as the dense convolution."""
        return self.cores(x)

    def reset_parameters(self) -> None:
        """Draw all kernels anew, as torch does for each convolution."""
        for core in self.cores:
            core.reset_parameters()

    @property
    def weight(self) -> Tensor:
        """(O, I, kh, kw) kernel of the dense convolution that this is."""
        return kernel_from_chain(tuple(core.weight for core in self.cores))

    @property
    def bias(self) -> nn.Parameter | None:
        """(O,) bias of the last convolution."""
        return self.cores[-1].bias

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, ranks: Sequence[int], kernels: Kernels | None = None) -> 'TTConv2d':
        """The chain of a dense convolution: its kernel by TT-SVD, or the kernels given; its bias.

        Raises:
            ValueError: a grouped convolution, padding that is not zeros, ranks above the full ones, or kernels of other
                ranks.
        """
        if conv.groups != 1 or conv.padding_mode != 'zeros':
            raise ValueError(f'groups {conv.groups}, padding {conv.padding_mode!r}: such a convolution stays dense')
        place = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
        kernels = chain_from_kernel(conv.weight.detach(), ranks) if kernels is None else kernels
        chain = cls(
            conv.in_channels, conv.out_channels, conv.kernel_size, ranks, **place, bias=conv.bias is not None
        ).to(conv.weight)
        expected, given = [core.weight.shape for core in chain.cores], [kernel.shape for kernel in kernels]
        if expected != given:
            raise ValueError(f'kernels of {[*map(tuple, given)]}; ranks {tuple(ranks)} want {[*map(tuple, expected)]}')
        with torch.no_grad():
            for core, kernel in zip(chain.cores, kernels, strict=True):
                core.weight.copy_(kernel)
            if conv.bias is not None:
                chain.bias.copy_(conv.bias)
        return chain.train(conv.training)

    def to_conv(self) -> nn.Conv2d:
        """The dense convolution that this is."""
        place = dict(stride=self.stride, padding=self.padding, dilation=self.dilation)
        shape = self.in_channels, self.out_channels, self.kernel_size
        conv = nn.Conv2d(*shape, **place, bias=self.bias is not None).to(self.cores[0].weight)
        with torch.no_grad():
            conv.weight.copy_(self.weight)
            if self.bias is not None:
                conv.bias.copy_(self.bias)
        return conv.train(self.training)
