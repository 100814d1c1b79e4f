"""The models that ``train --data`` knows by name: mmdet's, and those of plugins (``PACKAGE/recipe_models.py``)."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detplug.entry_points import plugin_table
from detplug.errors import UserError

# learning rates are those of 8 images a step
ADAMW = dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True)
FINE_ADAMW = dict(ADAMW, lr=2.5e-4)


@dataclass(frozen=True)
class RecipeModel:
    """A model that a recipe can train.

    Attributes:
        what: one line for the help.
        config: address of the config whose ``model`` it is, ``mmdet::...`` or ``detplug::...``.
        imports: modules that register its parts.
        scratch, finetune: optimizer from random weights and from given ones, with the learning rate of 8 images a step.
        clip: largest norm of the gradient, None for no limit.
        lines: statements of the config after ``model``; they may use ``model``, ``classes`` and ``img_scale``.
    """

    what: str
    config: str
    imports: tuple[str, ...] = ()
    scratch: Mapping[str, Any] = field(default_factory=lambda: ADAMW)
    finetune: Mapping[str, Any] = field(default_factory=lambda: FINE_ADAMW)
    clip: float | None = 35.0
    lines: tuple[str, ...] = ()


STOCK = {
    'rtmdet-tiny': RecipeModel('RTMDet-tiny of mmdet', 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'),
    'rtmdet-s': RecipeModel('RTMDet-s of mmdet', 'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'),
    'yolox-tiny': RecipeModel('YOLOX-tiny of mmdet', 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'),
    'yolox-s': RecipeModel('YOLOX-s of mmdet', 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'),
    'retinanet-r18': RecipeModel('RetinaNet, ResNet-18, of mmdet', 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'),
    'retinanet-r50': RecipeModel('RetinaNet, ResNet-50, of mmdet', 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'),
    'faster-rcnn-r50': RecipeModel('Faster R-CNN of mmdet', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
}


def recipe_models() -> dict[str, RecipeModel]:
    """Every model by name."""
    return plugin_table('recipe_models', 'MODELS', STOCK)


def find_model(name: str) -> RecipeModel:
    """The model ``name``.

    Raises:
        UserError: there is none; the line names all.
    """
    models = recipe_models()
    if name not in models:
        near = difflib.get_close_matches(name, models, n=1)
        hint = f'did you mean {near[0]}? ' if near else ''
        raise UserError(f'--model {name}: no such model; {hint}one of {", ".join(models)}')
    return models[name]
