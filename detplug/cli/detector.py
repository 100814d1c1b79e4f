"""Build the detector of a config with the weights of a checkpoint, ready to predict."""

from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from detplug.cli.config import building
from detplug.data.dataset_config import names_of
from detplug.engine.checkpoint import load_file, load_weights
from detplug.engine.weights import classes_of
from detplug.errors import UserError


def build_detector(config: Config, checkpoint: str | Path, device: torch.device | str = 'cpu') -> nn.Module:
    """The config's model with the checkpoint's weights, on ``device``, in eval mode.

    ``model.dataset_meta`` holds its ``classes``, and its ``predicates``, which are empty for a detector.

    A model that adds a class to those of the data has a static method ``class_names(names) -> names``.

    Raises:
        UserError: a model that does not build; a checkpoint of other classes or of another architecture.
    """
    with building(config.filename):
        model = MODELS.build(config.model)
    check_classes(load_file(checkpoint), config, checkpoint)
    load_weights(model, checkpoint, strict=True)
    names = config_classes(config)
    model.dataset_meta = dict(classes=model.class_names(names) if hasattr(model, 'class_names') else names)
    model.dataset_meta |= {'predicates': config_names(config, 'predicates')}
    return model.to(device).eval()


def config_classes(config: Config) -> tuple[str, ...]:
    """Names of the classes in label order, from the test data set's ``metainfo``."""
    return config_names(config, 'classes')


def config_names(config: Config, field: str) -> tuple[str, ...]:
    """Names in ``field`` of the test data set's ``metainfo``, or of its class; empty where neither has any."""
    return names_of(evaluation_dataset(config), field)


def evaluation_dataset(config: Config) -> dict:
    """The test data set of ``config``; where it has none, that for validation or training.

    Raises:
        UserError: a config without any.
    """
    for name in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        if config.get(name):
            return config[name].dataset
    raise UserError(f'{config.filename}: test_dataloader: missing; the config says neither classes nor pipeline')


def check_classes(saved: dict, config: Config, source: str | Path) -> None:
    """A checkpoint whose classes are named or ordered otherwise would print wrong names: refuse it."""
    names, wanted = classes_of(saved), config_classes(config)
    if names is not None and names != wanted:
        raise UserError(
            f'{source}: classes: {_short(names)} in the checkpoint, {_short(wanted)} in {config.filename}; '
            'give the config that the checkpoint was trained with'
        )


def _short(names) -> str:
    return ', '.join(list(names)[:8]) + (f', ... ({len(names)})' if len(names) > 8 else '')
