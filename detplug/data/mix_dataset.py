"""Training images made of several, as mmdet's MultiImageMixDataset makes them, from sources that are kept in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import DATASETS, TRANSFORMS

from detplug.engine.dataset_wrapper import DatasetWrapper


@DATASETS.register_module()
class SourceCache(DatasetWrapper):
    """A data set whose items are made once and kept while the budget lasts; its pipeline must not be random.

    Each loader process has its own. A full cache stays as it is: with random access an exchanged item is as likely to be
    needed as the one it replaces, so a least-recently-used rule would only add work. A reader gets a new dict with the
    cached values; cached arrays are read-only.

    Args:
        dataset: a data set that gives dicts, or its config.
        megabytes: for the arrays of all items (2**20 bytes); 0 keeps none.
    """

    def __init__(self, dataset: Any, megabytes: float = 1024) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.free = int(megabytes * 2**20)
        self.items: dict[int, dict] = {}

    def __getitem__(self, index: int) -> dict:
        if index in self.items:
            return dict(self.items[index])
        item = self.dataset[index]
        arrays = [value for value in item.values() if isinstance(value, np.ndarray)]
        size = sum(array.nbytes for array in arrays)
        if size <= self.free:
            self.free -= size
            for array in arrays:
                array.flags.writeable = False
            self.items[index] = item
        return dict(item)


@DATASETS.register_module()
class MixDataset(DatasetWrapper):
    """Give each transform that asks for it (``get_indexes``) other images of the data set in ``mix_results``.

    mmdet's class reads every source again and deep-copies every item before every transform, more than half of the time
    of a training sample at 320 px (benchmarks/loader.py: natural_with_copies_ms, natural_ms). Here the sources are in
    memory (:class:`SourceCache`) and their arrays are read-only: a transform that changes one in place is an error, as
    is one that returns None.

    Args:
        dataset: a data set, or its config, whose own pipeline is not random; a SourceCache is shared.
        pipeline: transforms of every draw.
        cache_mb: memory for the sources of one loader process, in MB (2**20 bytes).
    """

    def __init__(self, dataset: Any, pipeline: Sequence[dict], cache_mb: float = 1024) -> None:
        dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.dataset = dataset if isinstance(dataset, SourceCache) else SourceCache(dataset, cache_mb)
        self.pipeline = [TRANSFORMS.build(transform) for transform in pipeline]

    def __getitem__(self, index: int) -> dict:
        results = self.dataset[index]
        for transform in self.pipeline:
            if hasattr(transform, 'get_indexes'):
                results['mix_results'] = [self.dataset[i] for i in transform.get_indexes(self.dataset)]
            results = transform(results)
            results.pop('mix_results', None)
        return results
