"""Labelled and unlabelled images in one training: a data set of two parts and its resumable sampler."""

import filecmp
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from detplug.data import MixDataset, SourceCache
from detplug.engine.sampling import order_of_pass
from detplug.errors import UserError


@DATASETS.register_module()
class TwoSources:
    """Labelled images first, then unlabelled ones; each part has its own pipeline.

    Args:
        labelled, unlabelled: data sets or their configs.
        indices: only the first so many images of either (``--smoke``).

    Raises:
        UserError: a part holds no image, or an image is in both.
    """

    def __init__(self, labelled: Any, unlabelled: Any, indices: int | None = None):
        self.parts = [DATASETS.build(x) if isinstance(x, dict) else x for x in (labelled, unlabelled)]
        check_apart(*self.parts)
        self.sizes = [len(x) if indices is None else min(len(x), indices) for x in self.parts]
        for name, size in zip(('labelled', 'unlabelled'), self.sizes, strict=True):
            if not size:
                raise UserError(f'config: train_dataloader.dataset: {name}: holds no image; check its split')

    @property
    def metainfo(self) -> dict:
        return self.parts[0].metainfo

    @property
    def datasets(self) -> list:
        """Both parts, as mmengine's ConcatDataset calls them."""
        return self.parts

    def full_init(self) -> None:
        """Both parts are read when they are made."""

    def get_data_info(self, index: int) -> dict:
        part, index_in_part = self._place(index)
        return part.get_data_info(index_in_part)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: int) -> dict:
        part, index_in_part = self._place(index)
        return part[index_in_part]

    def _place(self, index: int) -> tuple[Any, int]:
        first = self.sizes[0]
        return (self.parts[0], index) if index < first else (self.parts[1], index - first)


def check_apart(labelled: Any, unlabelled: Any) -> None:
    """Refuse an image that is labelled and unlabelled: the same path, or another file of the same bytes.

    Only files of the size of a labelled one are read.

    Raises:
        UserError: it names the first, and counts the others.
    """
    paths = [[Path(part.get_data_info(i)['img_path']) for i in range(len(part))] for part in (labelled, unlabelled)]
    known: dict[int, list[Path]] = {}
    for path in filter(Path.is_file, paths[0]):
        known.setdefault(path.stat().st_size, []).append(path)
    twice = [path for path in paths[1] if path.is_file() and _is_among(path, known.get(path.stat().st_size, ()))]
    if twice:
        more = f', and so are {len(twice) - 1} more' if len(twice) > 1 else ''
        raise UserError(f'{twice[0]}: is labelled and unlabelled{more}; leave them out of the unlabelled images')


def _is_among(path: Path, others: Sequence[Path]) -> bool:
    return any(path.samefile(other) or filecmp.cmp(path, other, shallow=False) for other in others)


def find_two_sources(dataset: Any) -> TwoSources:
    """The :class:`TwoSources` that a data set is or wraps."""
    while not isinstance(dataset, TwoSources):
        dataset = dataset.dataset
    return dataset


def labelled_images(dataset: Any) -> SourceCache:
    """The labelled images as they are before anything is mixed.

    Raises:
        UserError: the labelled part is no MixDataset, so that it has no such images.
    """
    part = find_two_sources(dataset).parts[0]
    if not isinstance(part, MixDataset):
        raise UserError(
            f'config: train_dataloader.dataset: labelled: {type(part).__name__}; OOD scores are fitted on images that '
            'nothing has mixed, and CCE cuts its crops from them: make it a MixDataset'
        )
    return part.dataset


@DATA_SAMPLERS.register_module()
class TwoSourceSampler(Sampler):
    """Endless draws of labelled and unlabelled images in turn, each source shuffled by itself; starts at any draw.

    mmdet's MultiSourceSampler cannot resume. Every image of a source once a pass, over all processes together.

    Yields:
        (draw number of this process, index of the image in :class:`TwoSources`).

    Args:
        dataset: holds a :class:`TwoSources`, directly or wrapped.
        pattern: labelled and unlabelled draws that follow one another; the batch size is a multiple of their sum.
        seed: of the shuffling; the same in all processes.
    """

    def __init__(self, dataset: Any, pattern: Sequence[int] = (1, 1), seed: int | None = None):
        self.rank, self.world_size = get_dist_info()
        self.sizes, self.pattern = find_two_sources(dataset).sizes, tuple(pattern)
        self.seed = sync_random_seed() if seed is None else seed
        self.start = 0

    def start_at(self, draw: int) -> None:
        """Begin the next iteration at draw number ``draw`` of this process."""
        self.start = draw

    def __iter__(self) -> Iterator[tuple[int, int]]:
        orders: list[tuple[int, np.ndarray]] = [(-1, np.zeros(0, int))] * 2
        draw, period = self.start, sum(self.pattern)
        while True:
            turn, place = divmod(draw, period)
            source = int(place >= self.pattern[0])
            index_in_part = turn * self.pattern[source] + place - source * self.pattern[0]
            number, position = divmod(index_in_part * self.world_size + self.rank, self.sizes[source])
            if orders[source][0] != number:
                orders[source] = number, order_of_pass(self.seed + source, number, self.sizes[source])
            yield draw, int(orders[source][1][position]) + source * self.sizes[0]
            draw += 1

    def __len__(self) -> int:
        """Draws of this process until the larger source has been seen once; the iteration itself has no end."""
        turns = max(-(-size // (share * self.world_size)) for size, share in zip(self.sizes, self.pattern, strict=True))
        return turns * sum(self.pattern)
