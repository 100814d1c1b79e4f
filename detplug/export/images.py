"""Real images of a config's data sets: for comparing, calibrating and evaluating what is exported."""

from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config

from detplug.errors import UserError


def split_items(cfg: Config, split: str) -> list[dict]:
    """Items of the ``train``, ``val`` or ``test`` data set: ``img_path, img_id, height, width, instances``.

    Nothing is decoded or augmented: wrappers around the data set and its pipeline are left aside.

    Raises:
        UserError: the config has no such split, or its files are missing.
    """
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise UserError(f'{cfg.filename}: {split}_dataloader: missing; the export needs its images')
    return [item for dataset in _innermost(loader['dataset']) for item in _items(dataset)]


def image_paths(cfg: Config, split: str, count: int, seed: int = 0) -> list[Path]:
    """At most ``count`` image files of a split, drawn without replacement by ``seed``, in the data set's order.

    Of a data set whose pictures are there in part, as relations may have it, those that are there.

    Raises:
        UserError: as :func:`split_items`; no image at all.
    """
    listed = list(dict.fromkeys(item['img_path'] for item in split_items(cfg, split)))
    paths = [path for path in listed if Path(path).is_file()]
    if not paths:
        first = f', such as {listed[0]}' if listed else ''
        raise UserError(f'{cfg.filename}: {split}_dataloader: none of its {len(listed)} pictures is there{first}')
    chosen = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [Path(paths[i]) for i in sorted(chosen)]


def _innermost(dataset: dict) -> list[dict]:
    """Configs of the data sets that read files, below wrappers and concatenations; the labelled beside unlabelled."""
    for key in ('dataset', 'labelled'):
        if key in dataset:
            return _innermost(dataset[key])
    if 'datasets' in dataset:
        return [inner for part in dataset['datasets'] for inner in _innermost(part)]
    return [dataset]


def _items(dataset: dict) -> list[dict]:
    built = DATASETS.build({**dataset, 'pipeline': []})
    return [built.get_data_info(i) for i in range(len(built))]
