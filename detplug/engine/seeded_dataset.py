"""A data set whose random transforms depend on (seed, rank, draw number) only, not on workers or history."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.dist import get_rank

from detplug.data.dataset_wrapper import DatasetWrapper
from detplug.engine.stop_signal import leave_signals_to_main_process
from detplug.errors import UserError


def init_worker(worker_id: int) -> None:
    """Start of a loader process: one thread, and signals are left to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    leave_signals_to_main_process()


@contextmanager
def kept_generators() -> Iterator[None]:
    """Global generators of torch, numpy and python continue afterwards as if nothing had been drawn inside."""
    old = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(old[0])
        np.random.set_state(old[1])
        random.setstate(old[2])


def seed_generators(entropy: Sequence[int]) -> np.random.SeedSequence:
    """Seed the global generators of torch, numpy and python from ``entropy``; the sequence returned may seed others."""
    sequence = np.random.SeedSequence(tuple(entropy))
    words = sequence.generate_state(8)
    torch.default_generator.manual_seed(int(words[0]) << 32 | int(words[1]))
    np.random.seed(words[2:6])
    random.seed(int(words[6]) << 32 | int(words[7]))
    return sequence


PLAIN = (str, bytes, int, float, np.ndarray, torch.Tensor, type, type(None))


def albumentations_below(part: Any, seen: set[int] | None = None) -> list[Any]:
    """Every outermost albumentations pipeline in a data set, pipeline or transform, however deep it is nested."""
    seen = set() if seen is None else seen
    if id(part) in seen:
        return []
    seen.add(id(part))
    if isinstance(part, albumentations.BaseCompose | albumentations.BasicTransform):
        return [part]
    if isinstance(part, list | tuple | dict):
        parts = list(part.values()) if isinstance(part, dict) else part
        if parts and isinstance(parts[0], PLAIN):  # annotations or pixels: many, and no transforms among them
            return []
    elif callable(part) or hasattr(part, '__getitem__'):  # a transform or a data set
        parts = list(getattr(part, '__dict__', {}).values())
    else:
        return []
    return [found for item in parts for found in albumentations_below(item, seen)]


@DATASETS.register_module()
class SeededDataset(DatasetWrapper):
    """Wraps the training data set; takes the (draw number, index) pairs of :class:`DrawSampler`.

    Before each sample, python's, numpy's and torch's generators and every albumentations pipeline below are seeded from
    (seed, rank, draw number); afterwards the global generators continue as if nothing had been drawn. So a sample is
    the same with any number of workers, and after a resume.

    Args:
        dataset: the data set or its config.
        final_pipeline: transforms that replace the pipeline of the wrapped ``MixDataset`` for the last draws (training
            ends without mosaic, say); images and their cache are shared.
        final_from: draw number of one process from which ``final_pipeline`` holds:
            (max_iters - last iterations) * batch size.
        seed: set by ``DetplugRunner`` to the seed of the run.
    """

    def __init__(
        self,
        dataset: Any,
        final_pipeline: Sequence[dict] | None = None,
        final_from: int | None = None,
        seed: int | None = None,
    ):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        if (final_pipeline is None) != (final_from is None):
            raise TypeError('SeededDataset takes final_pipeline and final_from together or not at all')
        self.final_from = final_from
        mixed = self.dataset
        self.final = None if final_pipeline is None else type(mixed)(dataset=mixed.dataset, pipeline=final_pipeline)
        self.seed = 0 if seed is None else seed
        self.rank = get_rank()
        self._pipelines: list | None = None

    @property
    def pipeline(self) -> Any:
        """That of the data set inside, which mmdet's PipelineSwitchHook exchanges in the middle of a training."""
        return self._with('pipeline').pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Any) -> None:
        self._with('pipeline').pipeline = pipeline
        self._pipelines = None

    def update_skip_type_keys(self, keys: Sequence[str]) -> None:
        """Transforms that mmdet's YOLOXModeSwitchHook switches off."""
        self._with('update_skip_type_keys').update_skip_type_keys(keys)

    def _with(self, name: str) -> Any:
        """The outermost data set inside that has the attribute."""
        dataset = self.dataset
        while not hasattr(dataset, name) and hasattr(dataset, 'dataset'):
            dataset = dataset.dataset
        if not hasattr(dataset, name):
            raise UserError(f'train_dataloader.dataset: {type(dataset).__name__} has no {name}, which a hook changes')
        return dataset

    def __getitem__(self, item: int | tuple[int, int]) -> dict:
        """The sample of (draw number, index); a plain index is its own draw number."""
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int | tuple[int, int]]) -> list[dict]:
        """The samples of a batch, as torch's loader asks for them: the generators are kept once, not for each image."""
        if self._pipelines is None:
            self._pipelines = albumentations_below([self.dataset, self.final])
        with kept_generators():
            return [self._sample(*(item if isinstance(item, tuple) else (item, item))) for item in items]

    def _sample(self, draw: int, index: int) -> dict:
        sequence = seed_generators((self.seed, self.rank, draw))
        generator, py_random = np.random.default_rng(sequence), random.Random(random.getrandbits(64))
        for pipeline in self._pipelines:
            pipeline.set_random_state(generator, py_random)
        final = self.final is not None and draw >= self.final_from
        return (self.final if final else self.dataset)[index]
