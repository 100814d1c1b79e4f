"""A backbone of few layers for tests in which the layers do not matter: torch's ONNX export takes 30 ms a node."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class StridedConvs(BaseModule):
    """Five convolutions of stride 2; maps of strides 8, 16 and 32 px.

    Args:
        channels: of the three maps.
    """

    def __init__(self, channels: tuple[int, int, int]):
        super().__init__()
        widths = (3, channels[0] // 2, channels[0] // 2, *channels)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU())
            for before, after in zip(widths, widths[1:], strict=False)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = [images]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return tuple(maps[-3:])
