"""A config and a checkpoint as the source of a torch engine."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config

import detplug.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.engine.device import AUTO, choose_device
from detplug.engine.torch_engine import TorchEngine
from detplug.export.pipeline import prediction_steps, window_of
from detplug.runtime.bundle import sha256


@dataclass(frozen=True)
class CheckpointSource:
    """Opens a config and a checkpoint in each process."""

    config: str
    checkpoint: str
    options: tuple[str, ...] = ()
    device: str = AUTO
    batch: int = 8

    def open(self, threads: int | None = None) -> TorchEngine:
        """As :class:`detplug.runtime.engine.EngineSource` says."""
        if threads:
            torch.set_num_threads(threads)
        config = load(self.config, self.options)
        model = build_detector(config, self.checkpoint, choose_device(self.device))
        return TorchEngine(model, prediction_steps(config), batch=self.batch, window=window_of(config))

    def identity(self) -> dict:
        """sha256 of the checkpoint, and what the config says of the model and its images."""
        config = load(self.config, self.options)
        return dict(checkpoint=sha256(Path(self.checkpoint)), model=str(config.model),
                    pipeline=str(prediction_steps(config)))  # fmt: skip


@cache
def load(path: str, options: tuple[str, ...]) -> Config:
    """The config, read once in a process."""
    return load_config(path, options, dict(device='--device', load_from='the checkpoint', work_dir='--out'))
