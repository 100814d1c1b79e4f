"""Building blocks that YOLOv5's backbone and neck share.

mmcv's ConvModule is the conv + batch norm + activation, mmdet's CSPLayer is YOLOv5's C3 block; only SPPF is here.
"""

import math

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

NORM = dict(type='BN', eps=1e-3, momentum=0.03)
ACT = dict(type='SiLU', inplace=False)  # in place autograd would copy its input first: slower
# torch's own initialisation of a convolution, which YOLOv5 trains from (ConvModule's is another)
INIT = dict(
    type='Kaiming', layer='Conv2d', a=math.sqrt(5), distribution='uniform', mode='fan_in', nonlinearity='leaky_relu'
)


def scaled_channels(channels: int, width: float) -> int:
    """``channels * width``, rounded up to a multiple of 8."""
    return math.ceil(channels * width / 8) * 8


def scaled_depth(repeats: int, depth: float) -> int:
    """``repeats * depth`` blocks, rounded to the nearest and at least one."""
    return max(round(repeats * depth), 1)


class SPPF(nn.Module):
    """Pyramid of max-pools over 5, 9 and 13 px, as three chained 5 px pools, between two 1x1 convolutions.

    Args:
        channels: of the input and of the output; the pools run at half of it.
        layer_cfgs: ``conv_cfg``, ``norm_cfg`` and ``act_cfg`` of the two convolutions.
    """

    def __init__(self, channels: int, **layer_cfgs):
        super().__init__()
        hidden = channels // 2
        self.reduce = ConvModule(channels, hidden, 1, **layer_cfgs)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.expand = ConvModule(4 * hidden, channels, 1, **layer_cfgs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        scales = [self.reduce(x)]
        for _ in range(3):
            scales.append(self.pool(scales[-1]))
        return self.expand(torch.cat(scales, 1))
