"""A YOLOv5 of width 1/8 for 64 px images, and batches for it."""

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import plugins.yolov5.register  # noqa: F401

CHANNELS = [32, 64, 128]
SIDE = 64


def tiny_detector(num_classes=4, act_cfg=None, seed=0):
    """SingleStageDetector with 4 classes, seeded and initialised as training begins."""
    init_default_scope('mmdet')
    torch.manual_seed(seed)
    act = {} if act_cfg is None else dict(act_cfg=act_cfg)
    model = MODELS.build(
        dict(
            type='SingleStageDetector',
            data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, pad_size_divisor=32),
            backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125, **act),
            neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS, **act),
            bbox_head=dict(type='YOLOv5Head', num_classes=num_classes, in_channels=CHANNELS),
            test_cfg=dict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6), max_per_img=300, multi_label=True),
        )
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.reset_parameters()
    model.bbox_head.init_weights()
    return model


def instances(boxes, labels=None):
    """InstanceData of xyxy boxes."""
    boxes = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.zeros(len(boxes)) if labels is None else torch.as_tensor(labels)
    return InstanceData(bboxes=boxes, labels=labels.long())


def sample(boxes=(), labels=None, ignored=(), **meta):
    """A data sample of a 64 px image."""
    where = dict(img_shape=(SIDE, SIDE), pad_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0))
    data_sample = DetDataSample(metainfo=where | meta)
    data_sample.gt_instances = instances(boxes, labels)
    data_sample.ignored_instances = instances(ignored)
    return data_sample


def random_boxes(count, generator, side=SIDE):
    """(count, 4) xyxy boxes inside the image."""
    corners = torch.rand(count, 2, 2, generator=generator) * side
    return torch.cat([corners.amin(1), corners.amax(1)], 1)
