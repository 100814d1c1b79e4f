"""A config and a checkpoint as an engine of ``predict``: the torch model with the config's own test pipeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn

import detplug.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.cli.predictions import Engine
from detplug.engine.device import AUTO, choose_device
from detplug.export.detections import Detections
from detplug.export.graph import extra_outputs
from detplug.export.relations import RELATION_OUTPUTS, Relations

BOX_FIELDS = ('bboxes', 'scores', 'labels')


def torch_engine(config_path: str, checkpoint: str, options: Sequence[str] = (), device: str = AUTO) -> Engine:
    """The engine of ``predict CONFIG CHECKPOINT``.

    Raises:
        UserError: a config or checkpoint that is wrong, or a device that is not there.
    """
    place = choose_device(device)
    config = load_config(config_path, options)
    model = build_detector(config, checkpoint, place)
    pipeline = Compose(prediction_pipeline(config))

    def detect(image: np.ndarray, path: Path, image_id: int) -> Detections:
        data = pipeline(dict(img=image, img_path=str(path), img_id=image_id))
        with torch.inference_mode():
            sample = model.test_step(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
        return detections_of(sample, model)

    fields = tuple(name for name in extra_outputs(model) if name not in RELATION_OUTPUTS)
    return Engine(detect, fields, bool(model.dataset_meta['predicates']), str(place))


def detections_of(sample: DetDataSample, model: nn.Module) -> Detections:
    """What the model says of an image, in numpy; the arrays of its ``pred_instances`` beside boxes are ``extra``."""
    found = sample.pred_instances.cpu().numpy()
    extra = {
        name: values for name, values in found.items() if name not in BOX_FIELDS and isinstance(values, np.ndarray)
    }
    relations = None
    if 'pred_relations' in sample:
        pairs = sample.pred_relations
        relations = Relations(pairs.triplets, pairs.triplet_scores, tuple(model.dataset_meta['predicates']))
    return Detections(found.bboxes, found.scores, found.labels, tuple(model.dataset_meta['classes']), extra, relations)


def prediction_pipeline(config: Config) -> list[dict]:
    """The test pipeline of ``config`` without annotations, for an image that is in memory (BGR uint8)."""
    steps = []
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'] == 'LoadImageFromFile':
            step = dict(type='mmdet.LoadImageFromNDArray')
        elif step['type'] == 'LoadAnnotations':
            continue
        elif step['type'] == 'PackDetInputs':
            step = dict(step, meta_keys=tuple(key for key in step['meta_keys'] if key != 'instances'))
        steps.append(step)
    return steps
