"""Which image is drawn when, as a pure function of (seed, draw number): training can start at any draw.

A draw number counts the images that one process has drawn since the start of training, from 0.
"""

from collections.abc import Iterator, Sized

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from detplug.errors import UserError


def order_of_pass(seed: int, number: int, size: int) -> np.ndarray:
    """(size,) permutation of the images in pass ``number`` over the data set."""
    return np.random.default_rng(np.random.SeedSequence((seed, number))).permutation(size)


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler):
    """Endless shuffled draws for :class:`SeededDataset`; every image once a pass, over all processes together.

    Yields:
        (draw number of this process, index of the image).

    Args:
        dataset: anything with a length.
        seed: of the shuffling; the same in all processes. By default one that the processes agree on.
        shuffle: False keeps the order of the data set.

    Raises:
        UserError: a data set without images.
    """

    def __init__(self, dataset: Sized, seed: int | None = None, shuffle: bool = True):
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if not self.size:
            raise UserError('train_dataloader.dataset: holds no image; check its split and its filter_cfg')
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.start = 0

    def start_at(self, draw: int) -> None:
        """Begin the next iteration at draw number ``draw`` of this process."""
        self.start = draw

    def __iter__(self) -> Iterator[tuple[int, int]]:
        draw, current, order = self.start, None, np.arange(self.size)
        while True:
            number, place = divmod(draw * self.world_size + self.rank, self.size)
            if self.shuffle and number != current:
                current, order = number, order_of_pass(self.seed, number, self.size)
            yield draw, int(order[place])
            draw += 1

    def __len__(self) -> int:
        """Draws of this process in one pass; the iteration itself has no end."""
        return -(-self.size // self.world_size)


@DATA_SAMPLERS.register_module()
class EvaluationSampler(Sampler):
    """Every image exactly once over all processes, none added and none left out.

    Runs of ``chunk`` neighbouring images stay together. With ``chunk`` = batch size (which ``DetplugRunner`` sets)
    every batch holds the images that it holds with one process, so that padding and hence the results do not depend on
    the number of processes.

    Args:
        dataset: anything with a length.
        chunk: images that are not separated.
        seed: not used; mmengine passes it to every sampler.
    """

    def __init__(self, dataset: Sized, chunk: int = 1, seed: int | None = None):
        rank, world_size = get_dist_info()
        indices = np.arange(len(dataset))
        self.indices = indices[indices // chunk % world_size == rank].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)
