"""The configs of detectors with a Tensor-Train backbone whose batches are their own: each builds, learns and finds.

Plain detectors, Faster R-CNN among them, are in tests/configs/test_every_config.py.
"""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from detplug.cli.config import load_config
from detplug.cli.detector import config_classes, config_names
from plugins.tensor_train.tt_conv import TTConv2d

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ('openset_tt-yolov5n_parasite-samples.py', 'sabra_tt-yolov5n_samples.py')
SIDE = 64  # px


def sample(config, relations: bool) -> DetDataSample:
    """An image with three objects, the first of class 0."""
    meta = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0), img_id=0)
    found = DetDataSample(metainfo=meta)
    boxes = torch.tensor([[4.0, 4, 30, 40], [20, 10, 60, 60], [5, 30, 25, 62]])
    labels = torch.tensor([0, 1, len(config_classes(config)) - 1])
    found.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    found.ignored_instances = InstanceData(bboxes=boxes[:0], labels=labels[:0])
    if relations:
        found.gt_instances.annotated = torch.ones(3, dtype=torch.bool)
        found.gt_relations = InstanceData(triplets=torch.tensor([[0, 1, len(config_names(config, 'predicates')) - 1]]))
    return found


@pytest.mark.parametrize('name', CONFIGS)
def test_it_learns_and_finds(name):
    options = ['model.burn_in=0'] if name.startswith('openset') else []
    config = load_config(ROOT / 'configs/tt_yolov5' / name, options)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    assert any(isinstance(x, TTConv2d) for x in model.modules())
    images, relations = torch.rand(1, 3, SIDE, SIDE), 'head' in config.model
    if relations:
        losses = model.train().loss(images, [sample(config, True)])
        learner = model.detector
    else:
        branches = ('sup', 'unsup_teacher', 'unsup_student')
        samples = {branch: [sample(config, False)] for branch in branches}
        losses = model.train().loss({branch: images.clone() for branch in branches}, samples)
        learner = model.student
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    cores = [x.cores[0].weight for x in learner.modules() if isinstance(x, TTConv2d)]
    assert cores and all(x.grad is not None and x.grad.isfinite().all() for x in cores)
    found = model.eval().predict(images, [sample(config, relations)])[0]
    assert len(found.pred_instances.bboxes) == len(found.pred_instances.scores)
