"""Detectors of one stage and of two train in mixed precision; plugins have their own test_*_mixed_precision.py."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from detplug.cli.config import load_config

ROOT = Path(__file__).resolve().parents[2]
SIDE = 64  # px
NARROW = dict(width=0.125, channels=[32, 64, 128])


def batch() -> dict:
    """Two images with two objects each."""
    samples = []
    for seed in range(2):
        sample = DetDataSample(metainfo=dict(img_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0), img_id=seed))
        boxes = torch.tensor([[4.0, 4, 30, 40], [20, 10, 60, 60]])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
        sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0, dtype=torch.int64))
        samples.append(sample)
    images = torch.randint(256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return dict(inputs=list(images), data_samples=samples)


@pytest.mark.parametrize(
    'name', ['yolov5/yolov5n_bccd', 'yolov5/faster-rcnn_yolov5n_bccd', 'tt_yolov5/tt-yolov5n_bccd']
)
def test_two_steps(name, mixed_precision_steps):
    config = load_config(f'detplug::{name}.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    mixed_precision_steps(model, batch)
