"""The mixing data set gives the sample that mmdet's own class gives, without its copies."""

import random

import numpy as np
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import TRANSFORMS
from tiny_sets import NAMES, write_coco

from detplug.data import MixDataset


def config(folder) -> dict:
    inner = [
        dict(type='LoadAnnotations', with_bbox=True, box_type=None),
        dict(type='LoadResizedImage', scale=(64, 64), copy=False),
    ]
    dataset = dict(
        type='CheckedCocoDataset',
        data_root=str(folder),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=NAMES),
        pipeline=inner,
    )
    return dict(
        dataset=dataset,
        pipeline=[
            dict(type='MosaicAffine', scale=(64, 64)),
            dict(type='ColourJitter'),
            dict(type='PackDetInputs', meta_keys=('img_id', 'mosaic_img_ids')),
        ],
    )


def test_equal_to_mmdet(tmp_path):
    arguments = config(write_coco(tmp_path))
    ours, theirs = MixDataset(**arguments), MultiImageMixDataset(**arguments)
    assert len(ours) == len(theirs) == 3 and ours.metainfo == theirs.metainfo
    for seed in range(6):
        samples = []
        for dataset in (ours, theirs):
            random.seed(seed)
            samples.append(dataset[seed % 3])
        np.testing.assert_array_equal(samples[0]['inputs'], samples[1]['inputs'])
        first, second = (sample['data_samples'] for sample in samples)
        np.testing.assert_array_equal(first.gt_instances.bboxes, second.gt_instances.bboxes)
        assert first.metainfo == second.metainfo and len(first.mosaic_img_ids) == 4


def test_albumentations_follow_the_mosaic(tmp_path):
    arguments = config(write_coco(tmp_path))
    albu = dict(type='Albu', transforms=[dict(type='InvertImg', p=1.0)])
    plain, inverted = MixDataset(**arguments), MixDataset(**arguments)
    inverted.pipeline.insert(-1, TRANSFORMS.build(albu))
    samples = []
    for dataset in (plain, inverted):
        random.seed(1)
        samples.append(dataset[0])
    np.testing.assert_array_equal(255 - samples[0]['inputs'].numpy(), samples[1]['inputs'].numpy())
    boxes = [sample['data_samples'].gt_instances.bboxes.numpy() for sample in samples]
    assert len(boxes[0]) and (boxes[0] == boxes[1]).all()
