"""YOLOv5's neck: a path down from the deepest map and a path back up, C3 blocks without shortcut."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmdet.models.layers import CSPLayer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .layers import ACT, INIT, NORM, scaled_depth


@MODELS.register_module()
class YOLOv5Neck(BaseModule):
    """Mixes maps of strides s, 2s, 4s, ... ; every output has the channels of its input.

    Args:
        in_channels: of each map, shallow first; at least two. YOLOv5's are 256, 512, 1024 times its width.
        depth: factor on the 3 blocks of each C3; n and s .33, m .67, l 1, x 1.33.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        depth: float,
        conv_cfg: dict | None = None,
        norm_cfg: dict = NORM,
        act_cfg: dict = ACT,
        init_cfg: dict | None = INIT,
    ):
        super().__init__(init_cfg)
        layer_cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        csp_cfgs = dict(num_blocks=scaled_depth(3, depth), add_identity=False, **layer_cfgs)
        self.in_channels = self.out_channels = tuple(in_channels)
        pairs = list(zip(self.in_channels[:-1], self.in_channels[1:], strict=True))
        self.reduce = nn.ModuleList(ConvModule(deep, shallow, 1, **layer_cfgs) for shallow, deep in pairs)
        # the deepest map comes reduced, so a merge has twice the shallow map's channels
        self.merge_down = nn.ModuleList(CSPLayer(2 * shallow, shallow, **csp_cfgs) for shallow, _ in pairs)
        self.halve = nn.ModuleList(
            ConvModule(shallow, shallow, 3, stride=2, padding=1, **layer_cfgs) for shallow, _ in pairs
        )
        self.merge_up = nn.ModuleList(CSPLayer(2 * shallow, deep, **csp_cfgs) for shallow, deep in pairs)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, C_i, H / 2^i, W / 2^i), shallow first -> maps of the same shapes."""
        deep, laterals = maps[-1], []
        for i in reversed(range(len(self.reduce))):
            laterals.insert(0, self.reduce[i](deep))
            deep = self.merge_down[i](torch.cat([interpolate(laterals[0], scale_factor=2.0), maps[i]], 1))
        outs = [deep]
        for i, lateral in enumerate(laterals):
            outs.append(self.merge_up[i](torch.cat([self.halve[i](outs[-1]), lateral], 1)))
        return tuple(outs)
