"""Laws: a sample depends on (seed, rank, draw number) alone; global generators go on as if it had not been drawn."""

import random
from itertools import islice

import albumentations
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from tiny_training import build, config, write_images
from torch.utils.data import DataLoader

from detplug.engine.sampling import DrawSampler
from detplug.engine.seeded_dataset import albumentations_below, init_worker, kept_generators


@pytest.fixture(scope='module')
def wrapped(tmp_path_factory):
    """Config of the tiny training's data set: mosaic, affine, HSV, flip and albumentations."""
    folder = tmp_path_factory.mktemp('images')
    write_images(folder)
    return config(folder).train_dataloader.dataset


def make(wrapped, **changes):
    return DATASETS.build(dict(wrapped, seed=7, **changes))


def pixels(sample) -> torch.Tensor:
    return sample['inputs']


def test_a_draw_is_the_same_whatever_came_before(wrapped):
    one, other = make(wrapped), make(wrapped)
    forward = [pixels(one[draw, draw % 5]) for draw in range(6)]
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    backward = [pixels(other[draw, draw % 5]) for draw in reversed(range(6))]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


@pytest.mark.parametrize('change', ['draw', 'seed', 'rank'])
def test_each_part_of_the_seed_matters(change, wrapped):
    one, other = make(wrapped), make(wrapped)
    other.seed += change == 'seed'
    other.rank += change == 'rank'
    assert not torch.equal(pixels(one[4, 0]), pixels(other[4 + (change == 'draw'), 0]))


def test_albumentations_alone_are_seeded_too():
    class Source:
        def __init__(self):
            parts = [albumentations.GaussNoise(p=1), albumentations.RandomBrightnessContrast()]
            self.pipeline = [albumentations.Compose(parts)]

        def __getitem__(self, index):
            return self.pipeline[0](image=np.full((8, 8, 3), 100, np.uint8))['image']

        def __len__(self):
            return 1

    one, other = (DATASETS.build(dict(type='SeededDataset', dataset=Source())) for _ in range(2))
    assert not np.array_equal(Source()[0], Source()[0])  # by itself it ignores every global seed
    assert np.array_equal(one[3, 0], other[3, 0]) and not np.array_equal(one[3, 0], one[4, 0])


def test_every_nested_pipeline_is_found(wrapped):
    assert len(albumentations_below(make(wrapped))) == 1
    flip = albumentations.Compose([albumentations.HorizontalFlip()])
    assert albumentations_below([dict(a=(lambda x: x, flip)), flip]) == [flip]


def test_global_generators_go_on(wrapped):
    dataset = make(wrapped)
    for generator in (torch.random.default_generator.get_state, np.random.get_state, random.getstate):
        before = str(generator())
        dataset[3, 1]
        assert str(generator()) == before
    with pytest.raises(ZeroDivisionError), kept_generators():
        random.random()
        raise ZeroDivisionError
    assert str(random.getstate()) == before


def test_number_of_workers_does_not_matter(wrapped):
    batches = []
    for workers in (0, 1, 2):
        dataset = make(wrapped)
        loader = DataLoader(
            dataset,
            batch_size=2,
            sampler=DrawSampler(dataset, 1),
            num_workers=workers,
            collate_fn=lambda samples: torch.stack([pixels(x) for x in samples]),
            worker_init_fn=init_worker,
            multiprocessing_context='fork' if workers else None,
        )
        batches.append(torch.stack(list(islice(loader, 3))))
    assert torch.equal(batches[0], batches[1]) and torch.equal(batches[0], batches[2])


def test_final_pipeline_holds_from_its_draw_on(wrapped):
    final = [dict(type='Resize', scale=(16, 16)), dict(type='PackDetInputs')]
    dataset = make(wrapped, final_pipeline=final, final_from=4)
    assert [pixels(dataset[draw, 0]).shape[-1] for draw in (3, 4, 99, 2)] == [32, 16, 16, 32]
    assert dataset.final.dataset is dataset.dataset.dataset  # one copy of the images
    with pytest.raises(TypeError, match='together'):
        make(wrapped, final_from=4)


def test_runner_passes_its_seed(wrapped, tmp_path):
    write_images(tmp_path)
    assert build(tmp_path, randomness__seed=11).train_dataloader.dataset.seed == 11
