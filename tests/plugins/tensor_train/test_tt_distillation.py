"""Distillation: zero against itself, positive and with gradient otherwise, and checkpoints stay plain."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS

import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from plugins.tensor_train.distillation import DistillationHook, map_distance, maps_of

CHANNELS = [32, 64, 128]
MODEL = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(type='DetDataPreprocessor'),
    backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
    neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS),
    bbox_head=dict(type='YOLOv5Head', num_classes=2, in_channels=CHANNELS),
)
WEIGHTS = dict(neck=1.0, bbox_head=2.0)


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    model = MODELS.build(MODEL)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return model, str(path)


def losses(student, checkpoint: str, weights: dict) -> dict:
    before = set(student.state_dict())
    DistillationHook(MODEL, checkpoint, weights).before_train(SimpleNamespace(model=student))
    assert set(student.state_dict()) == before
    student.bbox_head.loss = lambda maps, samples: dict(loss_own=sum(x.sum() for x in maps_of(student.bbox_head(maps))))
    return student(torch.rand(2, 3, 64, 64), [], mode='loss')


def test_a_detector_has_no_distance_to_itself(teacher):
    model, path = teacher
    found = losses(copy.deepcopy(model).eval(), path, WEIGHTS)
    assert set(found) == {'loss_own', 'loss_distill_neck', 'loss_distill_bbox_head'}
    assert found['loss_distill_neck'] == 0 and found['loss_distill_bbox_head'] == 0


def test_another_detector_is_pulled(teacher):
    _, path = teacher
    torch.manual_seed(1)
    student = MODELS.build(MODEL)
    found = losses(student, path, WEIGHTS)
    assert found['loss_distill_neck'] > 0 and found['loss_distill_bbox_head'] > 0
    found['loss_distill_neck'].backward()
    assert student.backbone.stage0[0].conv.weight.grad.abs().sum() > 0


def test_a_part_that_is_not_there(teacher):
    model, path = teacher
    with pytest.raises(UserError, match="no part 'roi_head'"):
        losses(copy.deepcopy(model), path, dict(roi_head=1.0))


def test_maps_with_scales_of_their_own_are_not_compared(teacher):
    model, path = teacher
    student = copy.deepcopy(model).eval()
    student.distillable_parts = ('bbox_head',)
    assert 'loss_distill_bbox_head' in losses(student, path, dict(bbox_head=1.0))
    with pytest.raises(UserError, match="DistillationHook: weights: 'neck': the maps of an int8 detector have gains"):
        losses(student, path, WEIGHTS)


def test_distance_is_relative_and_the_mean_of_the_maps():
    ones, twos = torch.ones(1, 2, 3, 3), torch.full((1, 2, 3, 3), 2.0)
    assert map_distance([twos, ones], [ones, ones]) == 0.5
    assert map_distance([4 * ones], [2 * ones]) == map_distance([twos], [ones])


def test_outputs_of_another_shape_in_training_are_one_line(tmp_path, monkeypatch):
    teacher, student = (MODELS.build(MODEL) for _ in range(2))
    torch.save(dict(state_dict=teacher.state_dict()), tmp_path / 'teacher.pth')
    forward = type(student.bbox_head).forward

    def denoising(self, maps):
        outputs = forward(self, maps)
        return [[x[..., :1] for x in outputs[0]], *outputs[1:]] if self.training else outputs

    monkeypatch.setattr(type(student.bbox_head), 'forward', denoising)
    with pytest.raises(
        UserError, match="weights: 'bbox_head': gives .* in training, the teacher .*; leave that part out"
    ):
        losses(student.train(), str(tmp_path / 'teacher.pth'), WEIGHTS)


def test_after_training_the_detector_calls_its_own_parts(teacher):
    _, path = teacher
    student = MODELS.build(MODEL)
    hook = DistillationHook(MODEL, path, WEIGHTS)
    hook.before_train(SimpleNamespace(model=student))
    assert 'loss' in vars(student) and 'forward' in vars(student.neck)
    hook.after_train(SimpleNamespace(model=student))
    assert 'loss' not in vars(student) and not any('forward' in vars(x) for x in student.modules())
