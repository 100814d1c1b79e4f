"""Detectors of mmdet, from the config files it ships, train and predict with whatever operators are installed.

Narrowed: an eighth of ResNet's width, 64 px, 40 proposals, 20 queries, one or two transformer layers; the
structure is the config's.
"""

from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

CONFIGS = Path(mmdet.__file__).parent / '.mim' / 'configs'
FILES = {
    'Faster R-CNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'Cascade R-CNN': 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'Mask R-CNN': 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'RetinaNet': 'retinanet/retinanet_r50_fpn_1x_coco.py',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'ATSS': 'atss/atss_r50_fpn_1x_coco.py',
    'TOOD': 'tood/tood_r50_fpn_1x_coco.py',
    'TOOD with DCNv2': 'tood/tood_r101-dconv-c3-c5_fpn_ms-2x_coco.py',
    'VFNet': 'vfnet/vfnet_r50_fpn_1x_coco.py',
    'RTMDet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'YOLOX': 'yolox/yolox_tiny_8xb8-300e_coco.py',
    'DETR': 'detr/detr_r50_8xb2-150e_coco.py',
    'Deformable DETR': 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'DINO': 'dino/dino-4scale_r50_8xb2-12e_coco.py',
}


def narrow(model):
    """The model's config with fewer channels and layers."""
    model.backbone.init_cfg = None
    if model.backbone.type == 'ResNet':
        model.backbone.update(depth=50, base_channels=8)
        model.neck.in_channels = [width // 8 for width in model.neck.in_channels]
    if 'roi_head' in model:
        model.train_cfg.rpn_proposal.max_per_img = model.test_cfg.rpn.max_per_img = 40
        model.test_cfg.rcnn.max_per_img = 10
        heads = model.roi_head.bbox_head
        for head in heads if isinstance(heads, list) else [heads]:
            head.fc_out_channels = 64
    if 'num_queries' in model:
        model.num_queries = 20
        model.test_cfg.max_per_img = 20
        model.encoder.num_layers, model.decoder.num_layers = 1, 2
        if model.type == 'DINO':
            model.dn_cfg.group_cfg.num_dn_queries = 10
    return model


def build(name):
    init_default_scope('mmdet')
    model = MODELS.build(narrow(Config.fromfile(CONFIGS / FILES[name]).model))
    model = revert_sync_batchnorm(model)
    model.init_weights()
    return model


@pytest.mark.parametrize('name', FILES)
def test_trains_and_predicts(name):
    torch.manual_seed(0)
    model = build(name)
    data = demo_mm_inputs(2, [[3, 64, 64], [3, 64, 48]], num_classes=80, with_mask=name == 'Mask R-CNN')
    wrapper = build_optim_wrapper(model, {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 1e-4}})
    MessageHub.get_current_instance().update_info_dict({'epoch': 0, 'iter': 0})  # as a Runner does: some parts ask
    before = {key: value.clone() for key, value in model.named_parameters() if value.requires_grad}
    model.train()
    for _ in range(2):
        losses = model.train_step(data, wrapper)
        assert losses['loss'].isfinite() and losses['loss'] > 0
    after = dict(model.named_parameters())
    changed = [key for key, value in before.items() if not torch.equal(value, after[key])]
    assert len(changed) > 0.8 * len(before) and all(after[key].isfinite().all() for key in before)

    model.eval()
    for sample, shape in zip(model.test_step(data), [(64, 64), (64, 48)], strict=True):
        instances = sample.pred_instances
        count = len(instances)
        assert instances.bboxes.shape == (count, 4) and instances.scores.shape == instances.labels.shape == (count,)
        assert instances.bboxes.isfinite().all() and ((instances.scores >= 0) & (instances.scores <= 1)).all()
        assert ((instances.labels >= 0) & (instances.labels < 80)).all()
        if name == 'Mask R-CNN':
            assert instances.masks.shape[0] == count and tuple(sample.ori_shape) == shape
