"""Detectors of mmdet with random weights whose outputs are of all sizes, so that a wrong step in a graph is seen."""

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from detplug.cli.detector import config_classes

LAST = {  # part of a layer's name -> mean and standard deviation of what it says
    'retina_cls': (-2.5, 1.5), 'retina_reg': (0.0, 0.4), 'rpn_cls': (0.0, 1.5), 'rpn_reg': (0.0, 0.3),
    'conv_cls': (-2.5, 1.5), 'conv_reg': (1.0, 0.5), 'conv_centerness': (0.5, 1.5),
    'rtm_cls': (-2.5, 1.5), 'rtm_reg': (1.5, 0.7),
    'multi_level_conv_cls': (-1.0, 0.5), 'multi_level_conv_reg': (0.3, 0.2), 'multi_level_conv_obj': (0.0, 1.0),
    'fc_cls': (0.0, 2.0), 'fc_reg': (0.0, 1.0),
}  # fmt: skip


def varied(config: Config, seed: int = 0) -> nn.Module:
    """The config's model in eval mode; statistics of its norms and the spread of its last layers are set by noise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MODELS.build(config.model)
        model.init_weights()
        images = torch.rand(4, 3, 16, 16).repeat_interleave(8, 2).repeat_interleave(8, 3) * 255
        if getattr(model.data_preprocessor, '_enable_normalize', False):
            images = (images - model.data_preprocessor.mean) / model.data_preprocessor.std
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
                module.weight.data.uniform_(0.8, 1.2)
                module.bias.data.normal_(0, 0.1)
        with torch.no_grad():
            model.train()
            _run(model, images)
            model.eval()
            hooks = [layer.register_forward_hook(_spread(*LAST[part])) for part, layer in last_layers(model)]
            _run(model, images)
            for hook in hooks:
                hook.remove()
    model.dataset_meta = dict(classes=config_classes(config), predicates=())
    return model.eval()


def _run(model: nn.Module, images: torch.Tensor) -> None:
    feats = model.extract_feat(images)
    for head in ('bbox_head', 'rpn_head'):
        if getattr(model, head, None) is not None:
            getattr(model, head)(feats)
    if getattr(model, 'roi_head', None) is not None:
        head = model.roi_head.bbox_head
        head(torch.randn(64, head.in_channels, 7, 7) * feats[0].std())


def last_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers named as in LAST, and the part of the name."""
    found = []
    for name, layer in model.named_modules():
        parts = [part for part in LAST if part in name.split('.')]
        if parts and isinstance(layer, nn.Conv2d | nn.Linear):
            found.append((parts[0], layer))
    return found


def _spread(mean: float, std: float):
    def hook(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        if not hasattr(layer, 'was_spread'):  # a layer that is shared by levels is spread at the first
            layer.was_spread = True
            nn.init.normal_(layer.weight, std=layer.weight.std().item() or 1.0)
            output = layer._conv_forward(inputs[0], layer.weight, None) if isinstance(layer, nn.Conv2d) else (
                nn.functional.linear(inputs[0], layer.weight))
            factor = std / output.std()
            layer.weight.mul_(factor)
            layer.bias.fill_(mean - float(output.mean() * factor))
            output = output * factor + layer.bias.view(-1, *[1] * (output.dim() - 2))
        return output

    return hook
