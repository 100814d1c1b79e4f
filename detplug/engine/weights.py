"""Fit the tensors of a checkpoint into a model, and say in one line what does not fit."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from detplug.errors import UserError

PARTS = (('teacher.', 'student.'), ('detector.',))  # of models that hold whole detectors


def state_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: its ``state_dict``, or itself; a ``module.`` prefix is taken away."""
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, dict):
        return {}
    return {str(name).removeprefix('module.'): value for name, value in state.items() if isinstance(value, Tensor)}


def fit_weights(model: nn.Module, checkpoint: dict[str, Any], source: str | Path, strict: bool) -> str:
    """Make ``checkpoint['state_dict']`` one that ``model.load_state_dict`` takes, in place.

    The model's own tensors stand where the checkpoint has none that fit; nothing is loaded yet. A model that holds a
    detector takes the tensors of a plain detector's checkpoint for it; a mean teacher (mmdet's SemiBaseDetector) twice,
    as teacher and as student.

    Returns:
        One line that names what was skipped, empty when everything fits.

    Raises:
        UserError: ``strict`` and something does not fit, or nothing fits at all.
    """
    if is_model_wrapper(model):
        model = model.module
    checkpoint_state, model_state = state_of(checkpoint), model.state_dict()
    for parts in PARTS:
        if any(name.startswith(parts) for name in model_state) and not any(
            name.startswith(parts) for name in checkpoint_state
        ):
            checkpoint_state = {part + name: x for part in parts for name, x in checkpoint_state.items()}
    other_shape = [
        f'{name} {tuple(checkpoint_state[name].shape)} for {tuple(model_state[name].shape)}'
        for name in model_state
        if name in checkpoint_state and checkpoint_state[name].shape != model_state[name].shape
    ]
    missing = [
        name for name in model_state if name not in checkpoint_state and not name.endswith('num_batches_tracked')
    ]
    unexpected = [name for name in checkpoint_state if name not in model_state]
    fits = {
        name: checkpoint_state[name]
        for name in model_state
        if name in checkpoint_state and checkpoint_state[name].shape == model_state[name].shape
    }
    problems = [
        f'{len(names)} {what} ({_first(names)})'
        for names, what in ((other_shape, 'of another shape'), (missing, 'missing'), (unexpected, 'unexpected'))
        if names
    ]
    if problems and (strict or not fits):
        raise UserError(
            f'{source}: checkpoint of another config: tensors: {", ".join(problems)}'
            f'{_classes(checkpoint)}; give the config that it was trained with'
        )
    complete = OrderedDict((name, fits.get(name, value)) for name, value in model_state.items())
    complete._metadata = getattr(model_state, '_metadata', OrderedDict())
    checkpoint['state_dict'] = complete
    return f'{len(fits)} of {len(model_state)} tensors loaded; {", ".join(problems)}' if problems else ''


def _first(names: list[str], shown: int = 3) -> str:
    return ', '.join(names[:shown]) + (', ...' if len(names) > shown else '')


def classes_of(checkpoint: dict[str, Any]) -> tuple[str, ...] | None:
    """Class names that the checkpoint was trained with, in label order; None where it does not say."""
    meta = checkpoint.get('meta')
    parts = [meta.get('dataset_meta'), meta] if isinstance(meta, dict) else []  # the last: mmdet 2.x, of its model zoo
    named = [data.get(key) for data in parts if isinstance(data, dict) for key in ('classes', 'CLASSES')]
    names = next((x for x in named if x), None)
    return tuple(map(str, names)) if isinstance(names, list | tuple) else None


def _classes(checkpoint: dict[str, Any]) -> str:
    names = classes_of(checkpoint)
    return f'; its classes: {_first(list(names), 8)}' if names else ''
