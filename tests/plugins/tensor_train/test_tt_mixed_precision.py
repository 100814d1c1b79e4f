"""Fine-tuning with distillation in mixed precision: the dense teacher runs in it too."""

from types import SimpleNamespace

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

import plugins.yolov5.register  # noqa: F401
from detplug.engine.history import to_number
from detplug.engine.mixed_precision import DetplugAmpOptimWrapper
from plugins.tensor_train.distillation import DistillationHook

CHANNELS = [32, 64, 128]
MODEL = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(type='DetDataPreprocessor'),
    backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
    neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS),
    bbox_head=dict(type='YOLOv5Head', num_classes=2, in_channels=CHANNELS),
)


def test_two_steps_beside_the_dense_detector(tmp_path):
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(MODEL).state_dict()), tmp_path / 'teacher.pth')
    student = MODELS.build(MODEL)
    DistillationHook(MODEL, str(tmp_path / 'teacher.pth'), dict(neck=1.0, bbox_head=2.0)).before_train(
        SimpleNamespace(model=student)
    )
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64), scale_factor=(1.0, 1.0)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[4.0, 4, 30, 40]]), labels=torch.tensor([1]))
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))
    data = dict(inputs=[torch.rand(3, 64, 64) for _ in range(2)], data_samples=[sample] * 2)
    wrapper = DetplugAmpOptimWrapper(optimizer=torch.optim.SGD(student.parameters(), lr=0.01))
    before = student.backbone.stage0[0].conv.weight.detach().clone()
    rows = [student.train_step(data, wrapper) for _ in range(2)]
    assert all(to_number(value) is not None for row in rows for value in row.values())
    assert all(row[f'loss_distill_{name}'] > 0 for row in rows for name in ('neck', 'bbox_head'))
    assert not torch.equal(before, student.backbone.stage0[0].conv.weight)
