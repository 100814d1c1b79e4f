"""Every data-set config builds on the real data where it is present, and gives what the training expects."""

import os
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'
# images of train, val and test
PRESENT = {'bccd': (205, 77, 56), 'bccd7': (205, 77, 56), 'malaria': (164, 44, 73), 'coco_tiny': (80, 80, 80)}
ABSENT = ('coco', 'chula_egg11', 'rf100_parasites')


def load(name, monkeypatch, root=None) -> Config:
    if root is not None:
        monkeypatch.setenv('DETPLUG_DATA', os.fspath(root))
    return Config.fromfile(FOLDER / f'{name}.py')


@pytest.mark.parametrize('name', PRESENT)
def test_counts_and_samples(name, monkeypatch, real_data):
    root = real_data('bccd' if name == 'bccd7' else name).parent
    config = load(name, monkeypatch, root)
    parts = [config.train_dataloader.dataset.dataset, config.val_dataloader.dataset, config.test_dataloader.dataset]
    sets = [DATASETS.build(part) for part in parts]
    assert tuple(len(part) for part in sets) == PRESENT[name]
    assert len({part.metainfo['classes'] for part in sets}) == 1
    assert not any('not found' in line for part in (sets[0].dataset.dataset, *sets[1:]) for line in part.anomalies)
    side = config.img_scale[0]
    train, test = sets[0][1], sets[2][1]
    assert train['inputs'].shape == (3, side, side) and max(test['inputs'].shape[1:]) == side
    classes = len(sets[0].metainfo['classes'])
    for sample in (train, test):
        assert 0 <= sample['data_samples'].gt_instances.labels.min()
        assert sample['data_samples'].gt_instances.labels.max() < classes
    assert {'instances', 'ori_shape', 'scale_factor', 'img_id'} <= set(test['data_samples'].metainfo_keys())


@pytest.mark.parametrize('name', [*PRESENT, *ABSENT])
def test_the_default_root_and_the_evaluator(name, monkeypatch):
    monkeypatch.delenv('DETPLUG_DATA', raising=False)
    config = load(name, monkeypatch)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        part = config[key].dataset
        while 'dataset' in part:
            part = part.dataset
        assert part.data_root == config.data_root and config.data_root.startswith('data/')
        assert isinstance(part.metainfo.classes, tuple)
    assert config.test_evaluator.type == 'BoxAP' and config.val_evaluator.max_dets in (100, 300)


def test_no_image_is_in_two_splits(monkeypatch, real_data):
    for name in ('bccd', 'malaria', 'coco_tiny'):
        config = load(name, monkeypatch, real_data(name).parent)
        train, val, test = (
            DATASETS.build(part | dict(pipeline=[]))
            for part in (
                config.train_dataloader.dataset.dataset.dataset,
                config.val_dataloader.dataset,
                config.test_dataloader.dataset,
            )
        )
        ids = [{item['img_id'] for item in part} for part in (train, val, test)]
        assert not ids[0] & ids[1] and not ids[0] & ids[2] and (name == 'coco_tiny' or not ids[1] & ids[2])
