"""The model of a config as the text of another: for the data's classes, from random or given weights."""

from collections.abc import Mapping
from typing import Any

from detplug.recipe.python_text import Code, python_text


def model_text(model: Mapping[str, Any], from_weights: bool) -> str:
    """``model = ...`` with as many classes as ``classes`` and as many detections an image as ``detections``.

    Weights that mmdet's configs would download are left out. Without given weights nothing stays frozen: a frozen layer
    of random weights learns nothing.
    """
    return f'model = {python_text(_changed(model, not from_weights))}'


def _changed(node: Any, thaw: bool, path: str = '') -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_changed(item, thaw, path) for item in node)
    if not isinstance(node, Mapping):
        return node
    changed = {}
    for key, value in node.items():
        if key == 'batch_augments' or key == 'init_cfg' and _is_pretrained(value):
            continue  # sizes other than that of the input; weights of the network
        changed[key] = _changed(value, thaw, f'{path}.{key}')
        if key == 'num_classes':
            changed[key] = Code('len(classes)')
        elif key == 'max_per_img' and '.rpn' not in path:
            changed[key] = Code('detections')
        elif thaw and key in THAWED:
            changed[key] = THAWED[key]
    return changed


THAWED = dict(frozen_stages=-1, norm_eval=False, requires_grad=True)  # of ResNets


def _is_pretrained(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get('type') == 'Pretrained'
