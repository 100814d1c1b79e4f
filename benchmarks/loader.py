"""Claim: one training sample costs the loader under 1.5 ms of one core at 320 px, a twentieth of its training step.

Measures mmdet's own mosaic pipeline and ours on the same cached images of BCCD, collated in batches of 16, in CPU time
of this process; then the memory of four loader processes that have drawn every image of malaria at 640 px. With
--against CHECKOUT the same of another commit, run in turn (`before_...`, and the ratios).

Usage: DETPLUG_DATA=... python benchmarks/loader.py [--against CHECKOUT]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from record import record
from torch.utils.data import DataLoader

import detplug.register  # noqa: F401

BATCH, BATCHES, REPEATS, SEED = 16, 12, 5, 0
WORKERS, TURNS = 4, 3
CONFIGS = Path('configs/_base_')  # of the checkout that is measured: the working folder


def pipelines(side: int) -> dict[str, dict]:
    """Name -> mixing data set config without its inner data set."""
    half = -side // 2
    pack = dict(type='PackDetInputs', meta_keys=('img_id',))
    affine = dict(type='RandomAffine', border=(half, half), max_rotate_degree=0, max_shear_degree=0)
    stock = [
        dict(type='Mosaic', img_scale=(side, side)),
        affine,
        dict(type='YOLOXHSVRandomAug'),
        dict(type='RandomFlip', prob=0.5),
        pack,
    ]
    ours = [dict(type='MosaicAffine', scale=(side, side)), dict(type='ColourJitter'), pack]
    recipe = Config.fromfile(CONFIGS / 'pipelines' / 'microscopy_320.py').mix_pipeline
    return {
        'mmdet_ms': dict(type='MultiImageMixDataset', pipeline=stock),
        'mmdet_without_copies_ms': dict(type='MixDataset', pipeline=stock),
        'natural_ms': dict(type='MixDataset', pipeline=ours),
        'natural_with_copies_ms': dict(type='MultiImageMixDataset', pipeline=ours),
        'microscopy_ms': dict(type='MixDataset', pipeline=recipe),
    }


def milliseconds(config: dict) -> float:
    """Least CPU time of a sample over the repeats, after every image is in the cache."""
    dataset = DATASETS.build(config)
    for i in range(len(dataset)):
        dataset.dataset[i]
    random.seed(SEED)
    np.random.seed(SEED)  # mmdet's HSV draws from numpy
    best = float('inf')
    for _ in range(REPEATS):
        start = time.process_time()
        for i in range(BATCHES):
            pseudo_collate([dataset[(i * BATCH + k) % len(dataset)] for k in range(BATCH)])
        best = min(best, time.process_time() - start)
    return 1000 * best / (BATCH * BATCHES)


def worker_memory() -> float:
    """MB (2**20 bytes) of ``WORKERS`` loader processes of malaria after each has drawn every image.

    Proportional set size: a page that several processes share counts once in all, also one of a mapped file.
    """
    loading = Config.fromfile(CONFIGS / 'datasets' / 'malaria.py').train_dataloader
    dataset = DATASETS.build(loading.dataset.to_dict())
    draws = [(k, k) for k in range(len(dataset))]  # a batch is a worker's: each worker gets all images
    loader = DataLoader(
        dataset,
        batch_sampler=[draws] * WORKERS,
        num_workers=WORKERS,
        prefetch_factor=1,
        persistent_workers=True,
        collate_fn=len,
    )
    assert list(loader) == [len(dataset)] * WORKERS
    return sum(child.memory_full_info().pss for child in psutil.Process().children()) / 2**20


def measure() -> dict[str, float]:
    """All figures of the checkout in the working folder."""
    inner = Config.fromfile(CONFIGS / 'datasets' / 'bccd.py').train_dataloader.dataset.dataset.dataset.to_dict()
    figures = {}
    for name, config in pipelines(320).items():
        mmdet = name.startswith('mmdet')
        load = [
            dict(type='LoadAnnotations', with_bbox=True, box_type='hbox' if mmdet else None),
            dict(type='LoadResizedImage', scale=(320, 320)),
        ]
        sources = dict(type='SourceCache', dataset=inner | dict(pipeline=load))
        figures[name] = milliseconds(config | dict(dataset=sources))
    return figures | {'workers_pss_mb': worker_memory()}


def figures_of(checkout: Path, cache: str) -> dict[str, float]:
    """:func:`measure` in a process of its own, with the code and the configs of ``checkout``."""
    env = os.environ | {'PYTHONPATH': str(checkout), 'DETPLUG_CACHE': cache}
    command = [sys.executable, __file__, '--measure']
    out = subprocess.run(command, cwd=checkout, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--against', type=Path, help='folder of another commit')
    parser.add_argument('--measure', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure()))
        return
    checkouts = {'': Path(__file__).resolve().parents[1]}
    if args.against:
        checkouts['before_'] = args.against.resolve()
    figures = {}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(TURNS):
            for prefix, checkout in checkouts.items():
                for name, value in figures_of(checkout, cache).items():
                    figures[prefix + name] = min(value, figures.get(prefix + name, float('inf')))
    for name in ('natural', 'microscopy') if args.against else ():
        figures[f'{name}_ratio'] = figures[f'{name}_ms'] / figures[f'before_{name}_ms']
    record('loader', {name: round(value, 2) for name, value in figures.items()}, seeds=[SEED])


if __name__ == '__main__':
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    init_default_scope('mmdet')
    main()
