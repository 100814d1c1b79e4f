"""A config and a checkpoint as an engine: the torch model with the config's own test pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn

import detplug.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector, prediction_pipeline, window_of
from detplug.engine.device import AUTO, choose_device
from detplug.export.graph import extra_outputs
from detplug.export.runtime import sha256
from detplug.runtime.detections import Detections
from detplug.runtime.engine import field_names
from detplug.runtime.result_field import fields_of_sample


class TorchEngine:
    """A torch detector behind the protocol of :class:`detplug.runtime.engine.Engine`.

    Args:
        model: in eval mode on its device, with ``dataset_meta``.
        pipeline: transforms of an image in memory, see :func:`detplug.cli.detector.prediction_pipeline`.
        batch: images at once.
        window: how images of more than 8 bit become 8 bit.
    """

    def __init__(self, model: nn.Module, pipeline: Sequence[dict], batch: int = 8, window=None) -> None:
        self.model, self.pipeline, self.batch, self.window = model, Compose(list(pipeline)), batch, window
        self.names = tuple(model.dataset_meta['classes'])
        self.fields = field_names(extra_outputs(model))
        self.device = str(next(model.parameters()).device)

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        packed = [self.pipeline(dict(img=image, img_path='', img_id=i)) for i, image in enumerate(images)]
        results: dict[int, Detections] = {}
        for shape in dict.fromkeys(item['inputs'].shape for item in packed):  # padding would change what is detected
            own = [i for i, item in enumerate(packed) if item['inputs'].shape == shape]
            batch = {key: [packed[i][key] for i in own] for key in ('inputs', 'data_samples')}
            with torch.inference_mode():
                samples = self.model.test_step(batch)
            results |= {i: self.result(sample) for i, sample in zip(own, samples, strict=True)}
        return [results[i] for i in range(len(images))]

    def result(self, sample: DetDataSample) -> Detections:
        """torch's result of an image in numpy."""
        sample.pred_instances = sample.pred_instances.cpu().numpy()
        boxes = sample.pred_instances
        return Detections(boxes.bboxes, boxes.scores, boxes.labels, self.names, fields_of_sample(sample, self.model))


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
        return TorchEngine(model, prediction_pipeline(config), self.batch, window_of(config))

    def identity(self) -> dict:
        """sha256 of the checkpoint, and what the config says of the model and its images."""
        config = load(self.config, self.options)
        return dict(checkpoint=sha256(Path(self.checkpoint)), model=str(config.model),
                    pipeline=str(prediction_pipeline(config)))  # fmt: skip


@cache
def load(path: str, options: tuple[str, ...]) -> Config:
    """The config, read once in a process."""
    return load_config(path, options)
