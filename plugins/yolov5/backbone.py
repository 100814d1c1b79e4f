"""YOLOv5's backbone: a 6x6 stem and four stages (stride-2 convolution + C3), SPPF after the last."""

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmdet.models.layers import CSPLayer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .layers import ACT, INIT, NORM, SPPF, scaled_channels, scaled_depth

STAGES = ((128, 3), (256, 6), (512, 9), (1024, 3))  # channels and C3 blocks at width 1, depth 1


@MODELS.register_module()
class YOLOv5Backbone(BaseModule):
    """Feature maps of stride 2 (index 0, the stem), 4, 8, 16 and 32 (index 4); usable under any mmdet detector.

    Args:
        depth: factor on the number of C3 blocks; n and s .33, m .67, l 1, x 1.33.
        width: factor on the channels; n .25, s .5, m .75, l 1, x 1.25.
        in_channels: of the image.
        out_indices: which of the five maps are returned.
        frozen_stages: stages 0 (the stem) to this one are not trained; -1 freezes nothing.
        norm_eval: keep the statistics of all batch norms while training.
    """

    def __init__(
        self,
        depth: float,
        width: float,
        in_channels: int = 3,
        out_indices: Sequence[int] = (2, 3, 4),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = NORM,
        act_cfg: dict = ACT,
        init_cfg: dict | None = INIT,
    ):
        super().__init__(init_cfg)
        layer_cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        channels = scaled_channels(64, width)
        # in a Sequential, because mmengine would initialise a direct ConvModule child by ConvModule's own rule
        self.stage0 = nn.Sequential(ConvModule(in_channels, channels, 6, stride=2, padding=2, **layer_cfgs))
        self.out_channels = [channels]
        for index, (base, repeats) in enumerate(STAGES, start=1):
            before, channels = channels, scaled_channels(base, width)
            stage = nn.Sequential(
                ConvModule(before, channels, 3, stride=2, padding=1, **layer_cfgs),
                CSPLayer(channels, channels, num_blocks=scaled_depth(repeats, depth), **layer_cfgs),
            )
            if index == len(STAGES):
                stage.append(SPPF(channels, **layer_cfgs))
            self.add_module(f'stage{index}', stage)
            self.out_channels.append(channels)
        self.out_channels = tuple(self.out_channels[i] for i in self.out_indices)
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W), sides multiples of 32 -> the maps of ``out_indices``, shallow first."""
        maps = []
        for index in range(len(STAGES) + 1):
            x = getattr(self, f'stage{index}')(x)
            if index in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True):
        """Training mode, in which frozen stages (and with ``norm_eval`` all batch norms) keep their statistics."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        for index in range(self.frozen_stages + 1):
            getattr(self, f'stage{index}').eval().requires_grad_(False)
