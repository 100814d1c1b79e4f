"""The mixing data set gives the sample that mmdet's own class gives, without its copies."""

import random

import numpy as np
import pytest
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import TRANSFORMS
from tiny_sets import NAMES, write_coco

from detplug.data import MixDataset
from detplug.data.mix_dataset import SourceCache
from detplug.errors import UserError


def config(folder) -> dict:
    inner = [
        dict(type='LoadAnnotations', with_bbox=True, box_type=None),
        dict(type='LoadResizedImage', scale=(64, 64)),
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


class Arrays:
    """Items of 1 MB; counts how often each was made."""

    metainfo = dict(classes=NAMES)

    def __init__(self):
        self.made = [0, 0, 0]

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.made[index] += 1
        return dict(img=np.full(2**20, index, np.uint8), img_id=index)


def test_a_source_is_made_once_and_cannot_be_written():
    arrays = Arrays()
    sources = SourceCache(arrays, megabytes=3)
    for _ in range(2):
        item = sources[1]
        assert (item['img'] == 1).all()
        with pytest.raises(ValueError, match='read-only'):
            item['img'][:] = 0
        item['img'] = None  # a reader's own dict
    assert arrays.made == [0, 1, 0]


@pytest.mark.parametrize('megabytes, made', [(0, [2, 2, 2]), (2.5, [1, 1, 2]), (3.01, [1, 1, 1])])
def test_memory_stays_in_the_budget(megabytes, made):
    arrays = Arrays()
    sources = SourceCache(arrays, megabytes)
    for index in (0, 1, 2, 0, 1, 2):
        assert sources[index]['img_id'] == index
    assert arrays.made == made and sources.free >= 0


def test_an_image_in_the_shared_file_costs_no_memory_of_the_process(tmp_path):
    arguments = config(write_coco(tmp_path))['dataset']
    used = []
    for megabytes in (0, 1):
        arguments['pipeline'][1] |= dict(cache_mb=megabytes, cache_dir=str(tmp_path / 'cache'))
        sources = SourceCache(arguments, megabytes=1)
        image = sources[0]['img']
        used.append(2**20 - sources.free)
    assert used[0] - used[1] == image.nbytes and used[1] > 0


def test_items_with_many_annotations_fill_the_budget(tmp_path):
    sources = SourceCache(config(write_coco(tmp_path))['dataset'], megabytes=0.006)
    for _ in range(2):
        sources[0], sources[1], sources[2]
    assert 0 < len(sources.items) < 3


def test_two_pipelines_share_their_sources(tmp_path):
    first = MixDataset(**config(write_coco(tmp_path)))
    second = MixDataset(dataset=first.dataset, pipeline=[])
    assert second.dataset is first.dataset and first[0]['inputs'].shape == (3, 64, 64)
    assert second[0]['img'] is first.dataset[0]['img']


class Skip:
    """As mmdet's Albu whose ``bbox_params`` leave no box of some images."""

    def __init__(self, ids):
        self.ids = ids

    def __call__(self, results):
        return None if results['img_id'] in self.ids else results


def test_an_image_that_a_transform_skips_is_replaced_by_another(tmp_path):
    albu = dict(
        type='Albu',
        transforms=[dict(type='HorizontalFlip', p=1.0)],
        bbox_params=dict(
            type='BboxParams',
            format='pascal_voc',
            label_fields=['gt_bboxes_labels', 'gt_ignore_flags'],
            min_area=1e9,
            filter_lost_elements=True,
        ),
        skip_img_without_anno=True,
    )
    arguments = config(write_coco(tmp_path))
    dataset = MixDataset(**arguments)
    dataset.pipeline = [Skip({0, 2})]
    random.seed(0)
    assert [dataset[index]['img_id'] for index in (0, 1, 2)] == [1, 1, 1]
    dataset.pipeline = [TRANSFORMS.build(albu)]
    with pytest.raises(
        UserError, match=r'Albu: returned None for 100 images in a row, .*\.png the last; .*skip_img_wit'
    ):
        dataset[0]
