"""A config and a checkpoint as the source of a torch engine."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

import detplug.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.engine.checkpoint import checkpoint_file
from detplug.engine.device import AUTO, choose_device
from detplug.engine.torch_engine import TorchEngine
from detplug.errors import UserError
from detplug.export.pipeline import prediction_steps, window_of
from detplug.runtime.bundle import sha256, sha256_below


@dataclass(frozen=True)
class CheckpointSource:
    """Opens a config and a checkpoint in each process.

    ``boxes``: file of the boxes of each picture, for a model that does not find its own; ``annotations``: COCO json
    whose ids that file has.
    """

    config: str
    checkpoint: str
    options: tuple[str, ...] = ()
    device: str = AUTO
    batch: int = 8
    boxes: str | None = None
    annotations: str | None = None

    def open(self, threads: int | None = None) -> TorchEngine:
        """As :class:`detplug.runtime.engine.EngineSource` says."""
        if threads:
            torch.set_num_threads(threads)
        config = load(self.config, self.options)
        model = build_detector(config, self.checkpoint, choose_device(self.device))
        steps = self._steps(config, model)
        by_name = self.boxes is not None
        return TorchEngine(model, steps, batch=self.batch, window=window_of(config), by_name=by_name)

    def _steps(self, config: Config, model: nn.Module) -> list[dict]:
        """The transforms of a picture, with its boxes where they are given.

        Raises:
            UserError: boxes for a model that finds its own, or none for one that does not.
        """
        steps = prediction_steps(config)
        needed = getattr(model, 'needs_boxes', False)
        if self.boxes is not None and not needed:
            raise UserError(f'--boxes: the model of {self.config} finds its own boxes; leave it out')
        if needed and self.boxes is None:
            raise UserError(f'{self.config}: the model is given boxes, it finds none; add --boxes FILE')
        return model.steps_with_boxes(steps, self.boxes, self.annotations) if needed else steps

    def identity(self) -> dict:
        """sha256 of the checkpoint, and what the config says of the model and its images."""
        config = load(self.config, self.options)
        given = {} if self.boxes is None else dict(boxes=sha256_below(Path(self.boxes)))
        return dict(checkpoint=sha256(checkpoint_file(self.checkpoint)), model=str(config.model),
                    pipeline=str(prediction_steps(config)), **given)  # fmt: skip


@cache
def load(path: str, options: tuple[str, ...]) -> Config:
    """The config, read once in a process."""
    return load_config(path, options, dict(device='--device', load_from='the checkpoint', work_dir='--out'))
