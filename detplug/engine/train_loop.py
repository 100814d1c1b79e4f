"""The training loop that continues a stopped training with the very next image."""

import time
from collections.abc import Iterator
from typing import Any

from mmdet.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop

from detplug.engine.plain_data import rng_state, set_rng_state
from detplug.engine.stoppable_loop import StoppableLoop


class ResumableBatches:
    """What both training loops share: batches that start at the image after the last one that was trained on.

    Attributes:
        data_time: seconds that the newest step waited for its batch.
        resumed_from: number of steps that were done when this process started.
    """

    data_time = 0.0
    resumed_from = 0

    @property
    def draw(self) -> int:
        """Images that this process has trained on since the start of training."""
        return self._iter * (self._draw_source.batch_size or 1)

    @property
    def _draw_source(self) -> Any:
        """What says which images come next: a batch sampler of our own, or the loader with a DrawSampler."""
        sampler = getattr(self.dataloader, 'batch_sampler', None)
        return sampler if hasattr(sampler, 'start_at') else self.dataloader

    def _next(self, batches: Iterator[Any]) -> Any:
        started = time.perf_counter()
        batch = next(batches)
        self.data_time = time.perf_counter() - started
        return batch

    def _seeded_batches(self) -> Iterator[Any] | None:
        """The batches from the current step on, None where the sampler cannot start there.

        Making the loader's processes draws no random number.
        """
        state = rng_state()
        source = self._draw_source
        sampler = source if hasattr(source, 'start_at') else source.sampler
        if not hasattr(sampler, 'start_at'):
            self.runner.logger.warning(
                'the training sampler has no start_at: a resumed training sees other images '
                'than one that was not stopped; use DrawSampler with SeededDataset'
            )
            return None
        sampler.seed = self.runner.seed
        sampler.start_at(self.draw)
        if hasattr(self.dataloader.dataset, 'seed'):
            self.dataloader.dataset.seed = self.runner.seed
        batches = iter(self.dataloader)
        set_rng_state(state)
        return batches


@LOOPS.register_module()
class ResumableIterLoop(ResumableBatches, StoppableLoop, IterBasedTrainLoop):
    """mmengine's iteration loop; resuming sets the sampler's start instead of drawing and dropping what was trained.

    The draw number of the next image is iterations done * batch size, so that images which loader processes had
    fetched ahead are not lost. A validation that was due at the resumed step is run again: the checkpoint was written
    before it.

    Args:
        as :class:`mmengine.runner.IterBasedTrainLoop`: runner, dataloader, max_iters, val_interval, val_begin.
    """

    def _train(self) -> Any:
        """Train until ``max_iters`` and return the model."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self.resumed_from = self._iter
        batches = self._batches()
        if self._iter > 0 and self._validation_is_due():
            self._validate()
        self.runner.model.train()
        while self._iter < self._max_iters and not self.stop_training:
            self.run_iter(self._next(batches))
            self._decide_current_val_interval()
            if self._validation_is_due():
                self._validate()
                self.runner.model.train()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _batches(self) -> Iterator[Any]:
        """The endless batches from the current step on."""
        batches = self._seeded_batches()
        if batches is None:
            state = rng_state()
            self.dataloader_iterator.skip_iter(self._iter)
            set_rng_state(state)
            batches = self.dataloader_iterator
        return batches

    def _validation_is_due(self) -> bool:
        last = self._iter == self._max_iters
        return (
            self.runner.val_loop is not None
            and self._iter >= self.val_begin
            and (last or self._iter % self.val_interval == 0)
        )
