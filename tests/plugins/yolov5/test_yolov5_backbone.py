"""The backbone alone, frozen, with other activations, fused, and under Faster R-CNN."""

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from tiny_yolov5 import SIDE, sample, tiny_detector
from torch import nn

from plugins.yolov5.backbone import YOLOv5Backbone
from plugins.yolov5.fuse import fuse
from plugins.yolov5.neck import YOLOv5Neck


def randomise_statistics(model):
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_var, 0.5),
                (module.running_mean, -0.5),
            ):
                tensor.data.uniform_(low, low + 1, generator=generator)


def test_maps_halve_and_channels_follow_the_width():
    backbone = YOLOv5Backbone(0.33, 0.125, out_indices=(0, 1, 2, 3, 4))
    maps = backbone(torch.rand(1, 3, SIDE, 2 * SIDE))
    assert [tuple(x.shape[1:]) for x in maps] == [(8, 32, 64), (16, 16, 32), (32, 8, 16), (64, 4, 8), (128, 2, 4)]
    assert backbone.out_channels == (8, 16, 32, 64, 128)


def test_neck_keeps_the_shape_of_each_map_for_any_number_of_levels():
    for channels in ([16, 32], [8, 16, 32, 64]):
        maps = [torch.rand(1, c, 32 >> i, 32 >> i) for i, c in enumerate(channels)]
        assert [x.shape for x in YOLOv5Neck(channels, 0.33)(maps)] == [x.shape for x in maps]


def test_frozen_stages_do_not_change_and_the_others_learn():
    backbone = YOLOv5Backbone(0.33, 0.125, frozen_stages=1).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([x for x in backbone.parameters() if x.requires_grad], lr=0.1)
    sum(x.square().sum() for x in backbone(torch.rand(2, 3, SIDE, SIDE))).backward()
    optimizer.step()
    for name, tensor in backbone.state_dict().items():
        frozen = name.startswith(('stage0.', 'stage1.'))
        assert torch.equal(tensor, before[name]) == frozen, name


def test_norm_eval_keeps_all_statistics():
    backbone = YOLOv5Backbone(0.33, 0.125, norm_eval=True).train()
    backbone(torch.rand(2, 3, SIDE, SIDE))
    assert all(not x.running_mean.any() for x in backbone.modules() if isinstance(x, nn.BatchNorm2d))


def test_norms_and_activations_are_the_published_or_the_configured_ones():
    norms = [x for x in tiny_detector().modules() if isinstance(x, nn.BatchNorm2d)]
    assert {(x.eps, x.momentum) for x in norms} == {(1e-3, 0.03)}
    kinds = {type(x) for x in tiny_detector(act_cfg=dict(type='ReLU6')).modules()}
    assert nn.ReLU6 in kinds and nn.SiLU not in kinds


def test_fused_model_gives_the_same_outputs():
    model = tiny_detector().eval()
    randomise_statistics(model)
    image = torch.rand(2, 3, SIDE, SIDE)
    fused = fuse(model)
    assert not any(isinstance(x, nn.BatchNorm2d) for x in fused.modules())
    assert any(isinstance(x, nn.BatchNorm2d) for x in model.modules())
    with torch.no_grad():
        for one, other in zip(model(image)[0], fused(image)[0], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def faster_rcnn():
    rcnn_train = dict(
        rpn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
            sampler=dict(type='RandomSampler', num=32, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=dict(nms_pre=50, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7)),
        rcnn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5),
            sampler=dict(type='RandomSampler', num=16, pos_fraction=0.25),
            pos_weight=-1,
        ),
    )
    coder = dict(type='DeltaXYWHBBoxCoder')
    return ConfigDict(
        type='FasterRCNN',
        backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
        neck=dict(type='FPN', in_channels=[32, 64, 128], out_channels=16, num_outs=3),
        rpn_head=dict(
            type='RPNHead',
            in_channels=16,
            feat_channels=16,
            bbox_coder=coder,
            anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8, 16, 32]),
        ),
        roi_head=dict(
            type='StandardRoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(type='RoIAlign', output_size=3),
                out_channels=16,
                featmap_strides=[8, 16, 32],
            ),
            bbox_head=dict(
                type='Shared2FCBBoxHead',
                in_channels=16,
                fc_out_channels=16,
                roi_feat_size=3,
                num_classes=3,
                bbox_coder=coder,
            ),
        ),
        train_cfg=rcnn_train,
        test_cfg=dict(
            rpn=rcnn_train['rpn_proposal'],
            rcnn=dict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10),
        ),
    )


def test_backbone_trains_and_predicts_under_faster_rcnn():
    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    model = MODELS.build(faster_rcnn())
    image, samples = torch.rand(1, 3, SIDE, SIDE), [sample([[4, 4, 40, 44]], [2])]
    losses = model.train().loss(image, samples)
    total = sum(x if torch.is_tensor(x) else sum(x) for name, x in losses.items() if 'loss' in name)
    total.backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in model.backbone.parameters())
    with torch.no_grad():
        detections = model.eval().predict(image, samples)[0].pred_instances
    assert len(detections) > 0 and detections.bboxes.shape == (len(detections), 4)
