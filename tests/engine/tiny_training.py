"""A detector of a few hundred weights on generated 32 px images, with everything random that a real training has.

Used by the tests of the engine and by benchmarks/crash_resume.py.
"""

import json
from pathlib import Path
from typing import Any

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import cv2
    import numpy as np
    import torch
    from mmdet.registry import METRICS, MODELS, RUNNERS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config
    from mmengine.evaluator import BaseMetric
    from mmengine.model import BaseModel
    from mmengine.structures import InstanceData
    from torch import nn

    import detplug.engine  # noqa: F401

SIZE = 32
CLASSES = ('dark', 'light')


@MODELS.register_module()
class TinyDetector(BaseModel):
    """Batch norm, dropout (the main process's generator) and two loss terms; predicts one box an image."""

    def __init__(self, data_preprocessor: dict):
        super().__init__(data_preprocessor)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
        )
        self.box, self.score = nn.Linear(8, 4), nn.Linear(8, len(CLASSES))
        self.poisoned = None  # at its steps-th loss 'loss' or 'gradient' becomes nan
        self.losses = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        features = self.features(inputs)
        boxes, scores = self.box(features), self.score(features)
        if mode == 'loss':
            return self.loss(features, boxes, scores, data_samples)
        for sample, image, score in zip(data_samples, inputs, scores.sigmoid(), strict=True):
            sample.pred_instances = rectangles(image, score)
        return data_samples

    def loss(self, features, boxes, scores, data_samples):
        wanted = torch.stack([x.gt_instances.bboxes.sum(0) for x in data_samples]) / SIZE
        number = torch.stack([x.gt_instances.labels.bincount(minlength=2) for x in data_samples]).float()
        terms = dict(loss_box=(boxes - wanted).abs().mean(), loss_number=[(scores - number).square().mean()])
        self.losses += 1
        if self.poisoned == ('loss', self.losses):
            terms['loss_number'].append(terms['loss_box'] * float('nan'))
        if self.poisoned == ('gradient', self.losses):
            terms['loss_box'] = terms['loss_box'] + (features.sum() * 0).sqrt()  # value 0, gradient nan
        return terms


def rectangles(image: torch.Tensor, score: torch.Tensor) -> InstanceData:
    """Bounding box of all dark and of all light pixels of a (3, H, W) image in 0 .. 1, scored by the network."""
    boxes, labels = [], []
    for label, mask in enumerate((image.amax(0) < 0.25, image.amin(0) > 0.7)):
        y, x = mask.nonzero(as_tuple=True)
        if len(y):
            boxes.append(torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float())
            labels.append(label)
    labels = torch.tensor(labels, dtype=torch.int64)
    return InstanceData(bboxes=torch.stack(boxes) if boxes else torch.zeros(0, 4), labels=labels, scores=score[labels])


@METRICS.register_module()
class MeanScore(BaseMetric):
    """Mean of the predicted scores."""

    default_prefix = ''

    def process(self, data_batch, data_samples):
        self.results += [float(x['pred_instances']['scores'].sum()) for x in data_samples]

    def compute_metrics(self, results):
        return dict(score=float(np.mean(results)))


def write_images(folder: Path, number: int = 11) -> None:
    """``number`` PNG files of 32 px with one to three rectangles, and COCO annotations in annotations.json."""
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for i in range(number):
        picture = rng.integers(90, 160, (SIZE, SIZE, 3)).astype(np.uint8)
        for _ in range(rng.integers(1, 4)):
            x, y, label = *rng.integers(0, SIZE - 12, 2).tolist(), int(rng.integers(2))
            picture[y : y + 10, x : x + 10] = (30, 220)[label]
            boxes.append(
                dict(id=len(boxes) + 1, image_id=i + 1, category_id=label + 1, bbox=[x, y, 10, 10], area=100, iscrowd=0)
            )
        cv2.imwrite(str(folder / f'{i}.png'), picture)
        images.append(dict(id=i + 1, file_name=f'{i}.png', width=SIZE, height=SIZE))
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    text = json.dumps(dict(images=images, annotations=boxes, categories=categories))
    (folder / 'annotations.json').write_text(text)


def config(folder: str | Path, **changes: Any) -> Config:
    """Config of a training in ``folder/work`` on the images of ``folder``; ``changes`` as ``key__subkey=value``."""
    with quiet_imports():
        register_all_modules(init_default_scope=True)
    folder = Path(folder)
    source = dict(
        type='CocoDataset',
        serialize_data=False,
        data_root=f'{folder}/',
        ann_file='annotations.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
    )
    pack = dict(
        type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')
    )
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    colours = [
        dict(type='RandomBrightnessContrast', p=0.7),
        dict(type='GaussNoise', p=0.7),
        dict(type='OneOf', transforms=[dict(type='Blur', p=1.0), dict(type='MedianBlur', p=1.0)], p=0.5),
    ]
    mixing = [
        dict(type='Mosaic', img_scale=(SIZE, SIZE), pad_val=114.0),
        dict(type='RandomAffine', border=(-SIZE // 2, -SIZE // 2)),
        dict(type='YOLOXHSVRandomAug'),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Albu', transforms=colours),
        dict(type='PackDetInputs'),
    ]
    evaluation = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='EvaluationSampler'),
        dataset=dict(source, test_mode=True, pipeline=[*load, pack]),
    )
    settings = Config(
        dict(
            default_scope='mmdet',
            runner_type='DetplugRunner',
            work_dir=str(folder / 'work'),
            randomness=dict(seed=3),
            model=dict(
                type='TinyDetector', data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3)
            ),
            train_dataloader=dict(
                batch_size=3,
                num_workers=0,
                sampler=dict(type='DrawSampler'),
                dataset=dict(
                    type='SeededDataset',
                    dataset=dict(type='MultiImageMixDataset', pipeline=mixing, dataset=dict(source, pipeline=load)),
                ),
            ),
            val_dataloader=evaluation,
            test_dataloader=evaluation,
            train_cfg=dict(type='ResumableIterLoop', max_iters=24, val_interval=8),
            val_cfg=dict(),
            test_cfg=dict(),
            val_evaluator=dict(type='MeanScore'),
            test_evaluator=dict(type='MeanScore'),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02, momentum=0.9, nesterov=True)),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
                dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=24, T_max=14),
            ],
            default_hooks=dict(checkpoint=dict(type='AtomicCheckpointHook', interval=4, metric='score')),
            custom_hooks=[dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.01, gamma=5, update_buffers=True)],
        )
    )
    settings.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    return settings


def build(folder: str | Path, **changes: Any):
    """The runner of :func:`config`."""
    return RUNNERS.build(config(folder, **changes))
