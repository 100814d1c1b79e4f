"""Tiny detectors of four kinds with a data set that they know: its objects are some of their own detections.

Weights are noise, so nothing needs a training: known objects are the detections that score most, others are hidden.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import strided_convs  # noqa: F401
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from tiny_open_set import CHANNELS, CLASSES, ROOT, SIDE, UNKNOWN, sample

from plugins.openset.inference.adapters import adapter_of

IMAGES = dict(train=24, val=16)
KINDS = ('yolov5', 'retinanet', 'rtmdet', 'faster_rcnn')
NMS = dict(type='nms', iou_threshold=0.6)
LAST = ('convs', 'retina_cls', 'retina_reg', 'rtm_cls', 'rtm_reg', 'rpn_cls', 'rpn_reg', 'fc_cls', 'fc_reg')


def detector(kind: str, columns: int = len(CLASSES)) -> dict:
    """Config of the detector: stock heads of 16 channels on few layers; a whole YOLOv5 is in test_openset_export.py."""
    model = dict(
        type='SingleStageDetector',
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, pad_size_divisor=32),
        backbone=dict(type='StridedConvs', channels=CHANNELS),
        neck=dict(type='FPN', in_channels=CHANNELS, out_channels=16, num_outs=3),
        test_cfg=dict(score_thr=0.01, nms=NMS, nms_pre=300, max_per_img=40),
    )
    head = dict(num_classes=columns, in_channels=16, feat_channels=16, stacked_convs=1)
    if kind == 'yolov5':
        model['neck'] = None
        model['bbox_head'] = dict(type='YOLOv5Head', num_classes=columns, in_channels=CHANNELS)
        model['test_cfg'].update(
            multi_label=True, max_per_class=30
        )  # as in open-set configs; others have no such limit
    elif kind == 'retinanet':
        anchors = dict(type='AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32])
        coder = dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4)
        model.update(
            type='RetinaNet', bbox_head=dict(head, type='RetinaHead', anchor_generator=anchors, bbox_coder=coder)
        )
    elif kind == 'rtmdet':
        points = dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32])
        model['bbox_head'] = dict(
            head, type='RTMDetSepBNHead', anchor_generator=points, with_objectness=False, exp_on_reg=True,
            share_conv=True, pred_kernel_size=1, norm_cfg=dict(type='BN'), act_cfg=dict(type='SiLU'),
            bbox_coder=dict(type='DistancePointBBoxCoder'),
        )  # fmt: skip
        model.update(type='RTMDet', train_cfg=dict(assigner=dict(type='DynamicSoftLabelAssigner', topk=13)))
    else:
        return faster_rcnn(model, columns)
    return model


def faster_rcnn(model: dict, columns: int) -> dict:
    """Of the project's own config, with heads of 16 and 32 channels."""
    two = Config.fromfile(ROOT / 'configs/_base_/models/faster-rcnn_yolov5n.py').model.to_dict()
    two.update({key: model[key] for key in ('backbone', 'data_preprocessor')})
    two['neck'].update(in_channels=CHANNELS)
    two['roi_head']['bbox_head'].update(num_classes=columns, fc_out_channels=32)
    two['test_cfg']['rcnn'].update(score_thr=0.01, nms=NMS, max_per_img=40)
    return two


@torch.no_grad()
def spread(model: torch.nn.Module, images: torch.Tensor) -> None:
    """Give features and outputs of all sizes."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    feats = model.train().extract_feat(images)
    if getattr(model, 'bbox_head', None) is not None:
        model.bbox_head(feats)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # no channel is the rounding of a nearly constant one
            module.running_var += 0.1 * module.running_var.mean()
    last = [(name.split('.'), layer) for name, layer in model.eval().named_modules()]
    last = [(set(name) & set(LAST), x) for name, x in last if isinstance(x, torch.nn.Conv2d | torch.nn.Linear)]
    hooks = [x.register_forward_hook(outputs_of_size(names, generator)) for names, x in last if names]
    feats = model.extract_feat(images)
    for head in ('bbox_head', 'rpn_head'):
        if getattr(model, head, None) is not None:
            getattr(model, head)(feats)
    if getattr(model, 'roi_head', None) is not None:
        rois = torch.tensor([[i, 8.0, 8, 40, 40] for i in range(len(images))])
        extractor = model.roi_head.bbox_roi_extractor
        model.roi_head.bbox_head(extractor(feats[: extractor.num_inputs], rois))
    for hook in hooks:
        hook.remove()


def outputs_of_size(names: set[str], generator: torch.Generator):
    """A hook that makes a layer noise whose outputs spread by about 1.5, those of boxes by .5."""

    def hook(layer: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor | None:
        if hasattr(layer, 'was_spread'):  # shared by levels
            return None
        layer.was_spread = True
        boxes = names & {'retina_reg', 'rpn_reg', 'fc_reg', 'rtm_reg'}
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        layer.bias.zero_()
        layer.weight.mul_((0.5 if boxes else 1.5) / layer.forward(inputs[0]).std())
        layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.2 + (1.0 if 'rtm_reg' in names else 0))
        return layer.forward(inputs[0])

    return hook


def write_trained(folder: Path, kind: str) -> tuple[Path, Path]:
    """``folder/config.py``, ``folder/weights.pth`` and the data set; returns both paths."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config(dict(model=detector(kind))).model)
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    blocks = rng.integers(0, 255, (sum(IMAGES.values()), 8, 8, 3), np.uint8)
    images = blocks.repeat(SIDE // 8, 1).repeat(SIDE // 8, 2)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    spread(model, inputs)
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / 'images' / f'{i}.png'), image)
    annotate(folder, model, inputs)
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')
    write_config(folder, kind)
    return folder / 'config.py', folder / 'weights.pth'


@torch.no_grad()
def annotate(folder: Path, model: torch.nn.Module, inputs: torch.Tensor) -> None:
    """Of each image the three best detections that lie apart are known objects; the fourth is hidden."""
    names, start = [*CLASSES, *UNKNOWN], 0
    for split, count in IMAGES.items():
        rows, boxes = [], []
        for i in range(start, start + count):
            rows.append(dict(id=i, file_name=f'{i}.png', width=SIDE, height=SIDE))
            detections = adapter_of(model, len(CLASSES)).predict(model.extract_feat(inputs[i : i + 1]), [sample()])[0]
            for turn, (box, label) in enumerate(apart(detections)):
                x1, y1, x2, y2 = box
                category = int(label) if turn < 3 else len(CLASSES)
                boxes.append(
                    dict(id=len(boxes), image_id=i, category_id=category, bbox=[x1, y1, x2 - x1, y2 - y1],
                         area=(x2 - x1) * (y2 - y1), iscrowd=0)
                )  # fmt: skip
        categories = [dict(id=k, name=name) for k, name in enumerate(names)]
        (folder / f'{split}.json').write_text(json.dumps(dict(images=rows, annotations=boxes, categories=categories)))
        start += count


def apart(detections: InstanceData) -> list[tuple[list[float], int]]:
    """The four best detections of at least 6 px whose corners are 4 px apart."""
    chosen: list[tuple[list[float], int]] = []
    order = detections.scores.argsort(descending=True)
    for box, label in zip(detections.bboxes[order].tolist(), detections.labels[order].tolist(), strict=True):
        large = box[2] - box[0] > 6 and box[3] - box[1] > 6
        if large and all(np.abs(np.subtract(box, other)).max() > 4 for other, _ in chosen):
            chosen.append((box, label))
    return chosen[:4]


def write_config(folder: Path, kind: str) -> None:
    """With the pipelines of the real configs."""
    base = Config.fromfile(ROOT / 'configs/yolov5/yolov5n_parasite-samples.py').to_dict()
    source = dict(
        type='CheckedCocoDataset', data_root=f'{folder}/', data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES), unknown_classes=UNKNOWN,
    )  # fmt: skip
    for loader, split in (('val', 'val'), ('test', 'val')):
        base[f'{loader}_dataloader']['dataset'].update(source, ann_file=f'{split}.json')
    base['train_dataloader']['dataset']['dataset']['dataset'].update(source, ann_file='train.json')
    kept = {key: base[key] for key in base if key.endswith(('_dataloader', '_evaluator', '_cfg'))}
    kept |= {
        key: base[key] for key in ('default_scope', 'runner_type', 'default_hooks', 'custom_imports') if key in base
    }
    text = json.dumps(dict(kept, model=detector(kind))).replace('[320, 320]', f'[{SIDE}, {SIDE}]')
    settings = Config(json.loads(text))
    settings.dump(folder / 'config.py')
