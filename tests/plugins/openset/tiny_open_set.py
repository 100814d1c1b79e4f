"""A tiny open-set training: YOLOv5 of width 1/8 or Faster R-CNN on its backbone, coloured squares of 64 px."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS, RUNNERS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import plugins.openset.register  # noqa: F401
import plugins.yolov5.register  # noqa: F401

ROOT = Path(__file__).resolve().parents[3]
SIDE, CLASSES, UNKNOWN = 64, ('red', 'green'), ('blue',)
COLOURS = dict(red=(0, 0, 255), green=(0, 255, 0), blue=(255, 0, 0))
CHANNELS = [32, 64, 128]
PREPROCESSOR = dict(
    type='MultiBranchDataPreprocessor',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, bgr_to_rgb=True, pad_size_divisor=32
    ),
)


def one_stage() -> dict:
    """YOLOv5 with the known classes and "unknown"."""
    return dict(
        type='SingleStageDetector',
        backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
        neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS),
        bbox_head=dict(type='YOLOv5Head', num_classes=3, in_channels=CHANNELS),
        test_cfg=dict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6), max_per_img=50, multi_label=True),
    )


def two_stage() -> dict:
    """Faster R-CNN of the config, with a narrow head."""
    model = Config.fromfile(ROOT / 'configs/_base_/models/faster-rcnn_yolov5n.py').model
    model.pop('data_preprocessor')
    model['roi_head']['type'] = 'WeightedRoIHead'
    model['roi_head']['bbox_head'].update(type='WeightedBBoxHead', num_classes=3, fc_out_channels=32)
    return model


def build_detector(mode='oodfc_cce', detector=None, **kwargs):
    """An initialised OpenSetDetector."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='OpenSetDetector',
            detector=detector or one_stage(),
            classes=2,
            mode=mode,
            burn_in=0,
            data_preprocessor=PREPROCESSOR,
            **kwargs,
        )
    )
    model.init_weights()
    model.teacher.load_state_dict(model.student.state_dict())
    return model


def sample(boxes=(), labels=(), **meta) -> DetDataSample:
    """A data sample with labelled boxes."""
    where = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), pad_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0))
    data_sample = DetDataSample(metainfo=where | meta)
    data_sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels=torch.tensor(labels).long()
    )
    return data_sample


def batch(count=2, **hidden):
    """Inputs and data samples of the three branches."""
    boxes = [[4.0, 4, 30, 40], [36.0, 20, 60, 44]]
    inputs = {name: torch.rand(count, 3, SIDE, SIDE) for name in ('sup', 'unsup_teacher', 'unsup_student')}
    samples = dict(
        sup=[sample(boxes, [0, 1], img_id=i) for i in range(count)],
        unsup_teacher=[sample(img_id=i, **hidden) for i in range(count)],
        unsup_student=[sample(img_id=i) for i in range(count)],
    )
    return inputs, samples


def write_set(folder: Path, images: int = 12) -> None:
    """Squares of the three colours; the last one of every other image is blue, which nobody labelled."""
    rng = np.random.default_rng(0)
    names = [*CLASSES, *UNKNOWN]
    rows, boxes = [], []
    (folder / 'images').mkdir(parents=True)
    for i in range(images):
        image = np.full((SIDE, SIDE, 3), 90, np.uint8)
        for k in range(3):
            name = UNKNOWN[0] if k == 2 and i % 2 else CLASSES[int(rng.integers(2))]
            x, y = (int(v) for v in rng.integers(0, 12, 2) + (20 * (k % 2) + 8, 28 * (k // 2)))
            image[y : y + 20, x : x + 20] = COLOURS[name]
            boxes.append(
                dict(id=len(boxes), image_id=i, category_id=names.index(name), bbox=[x, y, 20, 20], area=400, iscrowd=0)
            )
        cv2.imwrite(str(folder / 'images' / f'{i}.png'), image)
        rows.append(dict(id=i, file_name=f'{i}.png', width=SIDE, height=SIDE))
    categories = [dict(id=i, name=name) for i, name in enumerate(names)]
    (folder / 'ann.json').write_text(json.dumps(dict(images=rows, annotations=boxes, categories=categories)))
    split = dict(
        labelled=[f'{i}.png' for i in range(0, images, 2)], unlabelled=[f'{i}.png' for i in range(1, images, 2)]
    )
    (folder / 'split.json').write_text(json.dumps(split))


def config(folder: Path, mode='oodfc_cce', steps=8, **changes) -> Config:
    """A training in ``folder/work`` with the pipelines of the real configs, shrunk to 64 px."""
    init_default_scope('mmdet')
    base = Config.fromfile(ROOT / 'configs/openset/yolov5n_parasite-samples.py').to_dict()
    source = dict(
        type='CheckedCocoDataset',
        data_root=f'{folder}/',
        ann_file='ann.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES),
        unknown_classes=UNKNOWN,
    )
    for loader in ('val_dataloader', 'test_dataloader'):
        base[loader]['dataset'].update(source)
        base[loader]['batch_size'] = 4
    two = base['train_dataloader']['dataset']['dataset']
    labelled = dict(source, images_file='split.json', images_key='labelled')
    two['labelled']['dataset'].update(labelled)
    two['unlabelled']['dataset'].update(source, images_file='split.json', images_key='unlabelled')
    base['custom_hooks'] = [dict(type='OpenSetHook', momentum=0.1, refit=3, interval=2)]
    base.update(work_dir=str(folder / 'work'), launcher='none', resume=False, load_from=None, randomness=dict(seed=4))
    base['model'] = dict(
        type='OpenSetDetector',
        mode=mode,
        detector=one_stage(),
        classes=2,
        burn_in=2,
        teacher_cfg=dict(base['model']['teacher_cfg'], score_thr=0.0005),
        thresholds=dict(lowest=0.0005, gamma=8.0, trust=0.0),
        fusion=dict(objectness=0.001, floor=0.1),
        cce=dict(slots=4),
        data_preprocessor=PREPROCESSOR,
    )
    base['train_dataloader']['batch_size'] = 4
    base['train_cfg'].update(max_iters=steps, val_interval=4)
    base['param_scheduler'][0].update(end=3)
    base['param_scheduler'][1].update(begin=3, end=8, T_max=5)
    base['default_hooks'].update(checkpoint=dict(type='AtomicCheckpointHook', interval=4, metric='map'), progress=None)
    text = json.dumps(base).replace('[320, 320]', f'[{SIDE}, {SIDE}]')
    settings = Config(json.loads(text))
    settings.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    return settings


def build(folder: Path, **kwargs):
    """The runner of :func:`config`."""
    return RUNNERS.build(config(folder, **kwargs))
