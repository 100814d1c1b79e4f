"""Batches of mmdet's samplers as a pure function of (seed, draw number): training can start at any of them."""

from collections.abc import Iterator

from mmdet.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler


@DATA_SAMPLERS.register_module()
class EpochBatchSampler(Sampler):
    """Batches for :class:`SeededDataset` from a sampler whose order depends on its seed and epoch alone.

    Yields:
        lists of (draw number of this process, index of the image).

    Args:
        sampler: one with ``set_epoch``, such as mmengine's DefaultSampler.
        batch_size: images of one process in a step.
        batch_sampler: config of what makes batches of it (mmdet's AspectRatioBatchSampler); by default neighbours.
        drop_last: leave out a last batch that is not full.

    Attributes:
        endless: go on with the next epoch; otherwise the iteration ends with the epoch that it began in.
    """

    def __init__(self, sampler: Sampler, batch_size: int, batch_sampler: dict | None = None, drop_last: bool = False):
        self.sampler, self.batch_size = sampler, batch_size
        self.batch_sampler, self.drop_last = batch_sampler, drop_last
        self.endless = True
        self.start = 0
        self.count = len(self._batches())

    @property
    def seed(self) -> int:
        """Of the sampler's order."""
        return self.sampler.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self.sampler.seed = seed

    def start_at(self, draw: int) -> None:
        """Begin the next iteration at draw number ``draw`` of this process."""
        self.start = draw

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, done = divmod(self.start // self.batch_size, len(self))
        while True:
            self.sampler.set_epoch(epoch)
            for number, indices in enumerate(self._batches()):
                if number >= done:
                    first = (epoch * len(self) + number) * self.batch_size
                    yield list(enumerate(indices, start=first))
            epoch, done = epoch + 1, 0
            if not self.endless:
                return

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.count

    def _batches(self) -> Sampler:
        """A new one for each epoch: one that was not read to its end may hold what is left."""
        arguments = dict(sampler=self.sampler, batch_size=self.batch_size, drop_last=self.drop_last)
        if self.batch_sampler is None:
            return BatchSampler(**arguments)
        return DATA_SAMPLERS.build(dict(self.batch_sampler), default_args=arguments)
