"""Names of official YOLOv5 tensors in this plugin's modules, and what a module tree or state dict holds."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

# layer of the official model -> module of SingleStageDetector(YOLOv5Backbone, YOLOv5Neck, YOLOv5Head)
LAYERS = {
    0: 'backbone.stage0.0',
    1: 'backbone.stage1.0',
    2: 'backbone.stage1.1',
    3: 'backbone.stage2.0',
    4: 'backbone.stage2.1',
    5: 'backbone.stage3.0',
    6: 'backbone.stage3.1',
    7: 'backbone.stage4.0',
    8: 'backbone.stage4.1',
    9: 'backbone.stage4.2',
    10: 'neck.reduce.1',
    13: 'neck.merge_down.1',
    14: 'neck.reduce.0',
    17: 'neck.merge_down.0',
    18: 'neck.halve.0',
    20: 'neck.merge_up.0',
    21: 'neck.halve.1',
    23: 'neck.merge_up.1',
}
HEAD = 24
SPPF_LAYER = 9
SPPF_PARTS = {'cv1': 'reduce', 'cv2': 'expand'}
C3_PARTS = {'cv1': 'main_conv', 'cv2': 'short_conv', 'cv3': 'final_conv', 'm': 'blocks'}
BOTTLENECK_PARTS = {'cv1': 'conv1', 'cv2': 'conv2'}


def our_name(official: str) -> str | None:
    """``model.2.m.0.cv1.conv.weight`` -> ``backbone.stage1.1.blocks.0.conv1.conv.weight``; None if we have no such."""
    match = re.fullmatch(r'model\.(\d+)\.(.+)', official)
    if not match:
        return None
    layer, parts = int(match[1]), match[2].split('.')
    if layer == HEAD:
        return 'bbox_head.' + '.'.join(['convs', *parts[1:]] if parts[0] == 'm' else parts)
    if layer not in LAYERS:
        return None
    names = SPPF_PARTS if layer == SPPF_LAYER else C3_PARTS
    if parts[0] == 'm' and len(parts) > 2:
        parts[2] = BOTTLENECK_PARTS.get(parts[2], parts[2])
    return '.'.join([LAYERS[layer], names.get(parts[0], parts[0]), *parts[1:]])


def tensors_of(module: Any, prefix: str = '') -> dict[str, Tensor]:
    """State dict of a module that was read as stubs: parameters and buffers by dotted name."""
    tensors = {}
    attributes = vars(module)
    for kind in ('_parameters', '_buffers'):
        tensors.update({prefix + name: x for name, x in attributes.get(kind, {}).items() if isinstance(x, Tensor)})
    for name, child in attributes.get('_modules', {}).items():
        tensors.update(tensors_of(child, f'{prefix}{name}.') if child is not None else {})
    return tensors


def with_plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state`` without what wrappers put before ``model.0...`` (``module.``, ``model.model.``)."""
    first = next((name for name in state if re.search(r'(^|\.)model\.0\.conv\.weight$', name)), '')
    prefix = first.removesuffix('model.0.conv.weight')
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def class_names(names: Any) -> tuple[str, ...] | None:
    """Class names that a model carries, as a list or as {index: name}; None if it has none."""
    if isinstance(names, Mapping):
        names = [names[i] for i in sorted(names)]
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) and names else None
