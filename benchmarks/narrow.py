"""Narrow YOLOv5s of a given size, from slices of a wide one, and detectors of shapes that a pruning left."""

from collections.abc import Callable, Mapping

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

STEP = 1 / 128  # of the width: 8 channels of the deepest stage


def width_options(width: float) -> list[str]:
    """--cfg-options of a YOLOv5 of another width."""
    channels = [-(-int(base * width) // 8) * 8 for base in (256, 512, 1024)]
    words = f'[{",".join(map(str, channels))}]'
    return [
        f'model.backbone.width={width}',
        f'model.neck.in_channels={words}',
        f'model.bbox_head.in_channels={words}',
    ]


def widest(fits: Callable[[float], bool], most: float = 0.25) -> float:
    """The largest width, a multiple of STEP, that fits.

    Raises:
        ValueError: none does.
    """
    for step in range(round(most / STEP), 0, -1):
        if fits(step * STEP):
            return step * STEP
    raise ValueError('no width is so small')


def sliced(wide: Mapping[str, Tensor], narrow: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the narrow detector from every n-th channel of the wide one, the same share of each concatenated map.

    Kernels keep the size of their sums: they grow by what their inputs lost.
    """
    found = {}
    for name, own in narrow.items():
        source = wide[name]
        for dim, (few, many) in enumerate(zip(own.shape, source.shape, strict=True)):
            if few != many:
                source = source.index_select(dim, (torch.arange(few) * many / few).long())
        lost = wide[name].shape[1] / own.shape[1] if own.dim() == 4 else 1.0
        found[name] = (source * lost).to(own) if own.is_floating_point() else source
    return found


@MODELS.register_module()
def OfShapes(of: str, shapes: str, **settings) -> nn.Module:
    """``dict(type=of, **settings)`` whose layers have the sizes of the checkpoint ``shapes``, as pruning left them."""
    model = MODELS.build(dict(type=of, **settings))
    state = torch.load(shapes, weights_only=True)['state_dict']
    for name, module in model.named_modules():
        weight = state.get(f'{name}.weight')
        if isinstance(module, nn.Conv2d):
            module.out_channels, module.in_channels = weight.shape[:2]
            module.weight = nn.Parameter(torch.empty_like(weight))
        if isinstance(module, nn.BatchNorm2d):
            module.num_features = len(weight)
            for key, value in (('running_mean', 0.0), ('running_var', 1.0)):
                setattr(module, key, torch.full_like(weight, value))
            module.weight = nn.Parameter(torch.ones_like(weight))
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d) and module.bias is not None:
            module.bias = nn.Parameter(torch.zeros_like(state[f'{name}.bias']))
    return model
