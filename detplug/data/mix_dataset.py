"""Training images made of several, as mmdet's MultiImageMixDataset makes them, from sources that are kept ready."""

import mmap
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import DATASETS, TRANSFORMS

from detplug.data.dataset_wrapper import DatasetWrapper
from detplug.errors import UserError

MOST_SKIPPED = 100  # images in a row that a transform may skip
OBJECT_BYTES = 1024  # about what the Python objects of an item, and of each of its annotations, take


@DATASETS.register_module()
class SourceCache(DatasetWrapper):
    """A data set whose items are made once and kept while the budget lasts; its pipeline must not be random.

    Each loader process has its own, for annotations: images that LoadResizedImage serves from the file that all
    processes share cost nothing here. A full cache stays as it is: with random access an exchanged item is as likely to
    be needed as the one it replaces, so a least-recently-used rule would only add work. A reader gets a new dict with
    the cached values; cached arrays are read-only.

    Args:
        dataset: a data set that gives dicts, or its config.
        megabytes: memory of a process for all items (2**20 bytes); 0 keeps none.
    """

    def __init__(self, dataset: Any, megabytes: float = 64) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.free = int(megabytes * 2**20)
        self.items: dict[int, dict] = {}

    def __getitem__(self, index: int) -> dict:
        if index in self.items:
            return dict(self.items[index])
        item = self.dataset[index]
        size = item_bytes(item)
        if size <= self.free:
            self.free -= size
            for value in item.values():
                if isinstance(value, np.ndarray):
                    value.flags.writeable = False
            self.items[index] = item
        return dict(item)


def item_bytes(item: dict) -> int:
    """Memory that an item takes: its arrays but those in a mapped file, and an estimate for everything else."""
    size = OBJECT_BYTES
    for value in item.values():
        if isinstance(value, np.ndarray):
            size += 0 if isinstance(value.base, mmap.mmap) else value.nbytes
        elif isinstance(value, list):
            size += OBJECT_BYTES * len(value)
    return size


@DATASETS.register_module()
class MixDataset(DatasetWrapper):
    """Give each transform that asks for it (``get_indexes``) other images of the data set in ``mix_results``.

    mmdet's class reads every source again and deep-copies every item before every transform, more than half of the time
    of a training sample at 320 px (benchmarks/loader.py: natural_with_copies_ms, natural_ms). Here the sources are
    ready (:class:`SourceCache`) and their arrays are read-only: a transform that changes one in place is an error, as
    is one that returns None for every image. One that returns None for an image (mmdet's Albu with
    ``skip_img_without_anno`` whose ``bbox_params`` leave no box) skips it: another one is drawn in its place.

    Args:
        dataset: a data set, or its config, whose own pipeline is not random; a SourceCache is shared.
        pipeline: transforms of every draw.
        cache_mb: memory of one loader process for annotations, and for images that are not in the shared file
            (``cache_mb`` of LoadResizedImage), in MB (2**20 bytes).
    """

    def __init__(self, dataset: Any, pipeline: Sequence[dict], cache_mb: float = 64) -> None:
        dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.dataset = dataset if isinstance(dataset, SourceCache) else SourceCache(dataset, cache_mb)
        self.pipeline = [TRANSFORMS.build(transform) for transform in pipeline]

    def __getitem__(self, index: int) -> dict:
        for _ in range(MOST_SKIPPED):
            results, transform = self._mixed(index)
            if results is not None:
                return results
            skipped, index = index, random.randrange(len(self.dataset))
        path = self.dataset.get_data_info(skipped).get('img_path')
        raise UserError(
            f'train_dataloader.dataset: pipeline: {type(transform).__name__}: returned None for {MOST_SKIPPED} images '
            f'in a row, {path} the last; mend it (Albu: bbox_params drop every box, skip_img_without_anno=False keeps '
            'the images)'
        )

    def _mixed(self, index: int) -> tuple[dict | None, Any]:
        """Item ``index`` through the pipeline, and None; or None, and the transform that returned it."""
        results = self.dataset[index]
        for transform in self.pipeline:
            if hasattr(transform, 'get_indexes'):
                results['mix_results'] = [self.dataset[i] for i in transform.get_indexes(self.dataset)]
            results = transform(results)
            if results is None:
                return None, transform
            results.pop('mix_results', None)
        return results, None
