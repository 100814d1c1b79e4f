"""Detectors of mmdet with random weights whose outputs are of all sizes, so that a wrong step in a graph is seen.

Heads, anchors and selection are those of the stock configs; a pyramid of one convolution is in the place of backbone
and neck, which a graph has as torch has them.
"""

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor, nn

from detplug.cli.config import load_config

CLASSES, WIDTH = 5, 16
CONFIGS = {
    'RetinaNet': 'retinanet/retinanet_r18_fpn_1x_coco',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
    'RTMDet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco',
    'YOLOX': 'yolox/yolox_tiny_8xb8-300e_coco',
    'FasterRCNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco',
}
LAST = {  # part of a layer's name -> mean and standard deviation of what it says
    'retina_cls': (-2.5, 1.5), 'retina_reg': (0.0, 0.4), 'rpn_cls': (0.0, 1.5), 'rpn_reg': (0.0, 0.3),
    'conv_cls': (-2.5, 1.5), 'conv_reg': (1.0, 0.5), 'conv_centerness': (0.5, 1.5),
    'rtm_cls': (-2.5, 1.5), 'rtm_reg': (1.5, 0.7),
    'multi_level_conv_cls': (-1.0, 0.5), 'multi_level_conv_reg': (0.3, 0.2), 'multi_level_conv_obj': (0.0, 1.0),
    'fc_cls': (0.0, 2.0), 'fc_reg': (0.0, 1.0),
}  # fmt: skip


class Pyramid(nn.Module):
    """Maps of stride ``first`` and the next ones, each of half the size."""

    def __init__(self, first: int, levels: int):
        super().__init__()
        self.stem, self.levels = nn.Conv2d(3, WIDTH, first, first), levels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = [self.stem(images).tanh()]
        while len(maps) < self.levels:
            maps.append(nn.functional.max_pool2d(maps[-1], 2, ceil_mode=True))
        return tuple(maps)


def stock_config(name: str) -> Config:
    """A stock config with heads of WIDTH channels and CLASSES classes."""
    config = load_config(f'mmdet::{CONFIGS[name]}.py')
    for head in ('bbox_head', 'rpn_head'):
        if head in config.model:
            config.model[head].update(in_channels=WIDTH, feat_channels=WIDTH)
    if name == 'FCOS':
        config.model.bbox_head.norm_cfg = dict(type='GN', num_groups=4)
    if 'roi_head' in config.model:
        config.model.roi_head.bbox_roi_extractor.out_channels = WIDTH
        config.model.roi_head.bbox_head.update(in_channels=WIDTH, fc_out_channels=32, num_classes=CLASSES)
        config.model.test_cfg.rpn.max_per_img = 60
    else:
        config.model.bbox_head.num_classes = CLASSES
    return config


def stock_detector(name: str, seed: int = 0) -> nn.Module:
    """The detector in eval mode; the spread of its last layers is set by noise."""
    config = stock_config(name)
    first, levels = {'FasterRCNN': (4, 5), 'RetinaNet': (8, 5), 'FCOS': (8, 5)}.get(name, (8, 3))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MODELS.build(dict(config.model, backbone=dict(type='ResNet', depth=18), neck=None))
        model.backbone = Pyramid(first, levels)
        images = torch.rand(4, 3, 16, 16).repeat_interleave(8, 2).repeat_interleave(8, 3) * 255
        if getattr(model.data_preprocessor, '_enable_normalize', False):
            images = (images - model.data_preprocessor.mean) / model.data_preprocessor.std
        nn.init.normal_(model.backbone.stem.weight, std=1 / images.std().item() / first)
        hooks = [layer.register_forward_hook(_spread(*LAST[part])) for part, layer in last_layers(model)]
        with torch.no_grad():
            _run(model.eval(), images)
        for hook in hooks:
            hook.remove()
    model.dataset_meta = dict(classes=tuple('abcde'), predicates=())
    return model


def last_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers named as in LAST, and the part of the name."""
    named = [(set(LAST) & set(name.split('.')), layer) for name, layer in model.named_modules()]
    return [(parts.pop(), layer) for parts, layer in named if parts and isinstance(layer, nn.Conv2d | nn.Linear)]


def _run(model: nn.Module, images: Tensor) -> None:
    feats = model.extract_feat(images)
    for head in ('bbox_head', 'rpn_head'):
        if getattr(model, head, None) is not None:
            getattr(model, head)(feats)
    if getattr(model, 'roi_head', None) is not None:
        model.roi_head.bbox_head(torch.randn(64, WIDTH, 7, 7))


def _spread(mean: float, std: float):
    def hook(layer: nn.Module, inputs: tuple, output: Tensor) -> Tensor | None:
        if hasattr(layer, 'was_spread'):  # a layer that is shared by levels is spread at the first
            return None
        layer.was_spread = True
        nn.init.normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        output = layer.forward(inputs[0])
        layer.weight.mul_(std / output.std())
        layer.bias.fill_(mean).add_(torch.randn_like(layer.bias) * std / 4)
        return layer.forward(inputs[0])

    return hook
