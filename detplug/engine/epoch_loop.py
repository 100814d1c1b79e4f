"""Training that counts in epochs, as mmdet's own configs do, and continues in the middle of one."""

from collections.abc import Iterator
from typing import Any

from mmdet.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

from detplug.engine.stoppable_loop import StoppableLoop
from detplug.engine.train_loop import ResumableBatches


@LOOPS.register_module()
class ResumableEpochLoop(ResumableBatches, StoppableLoop, EpochBasedTrainLoop):
    """mmengine's epoch loop; a checkpoint of any step continues with the very next image.

    Hooks see epochs begin and end as in mmengine. A resumed training calls ``before_train_epoch`` for the epoch that it
    continues in; a checkpoint of an epoch's last step was written before that epoch's end, which is then made up for.

    Args:
        steps_per_epoch: by default one pass over the data set of all processes together.
        **kwargs: as :class:`mmengine.runner.EpochBasedTrainLoop`: runner, dataloader, max_epochs, val_begin,
            val_interval (epochs), dynamic_intervals.
    """

    def __init__(self, *args: Any, steps_per_epoch: int | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if steps_per_epoch is None and hasattr(self._draw_source, 'endless'):
            self._draw_source.endless = False
        self.steps_per_epoch = len(self.dataloader) if steps_per_epoch is None else steps_per_epoch
        self._max_iters = self._max_epochs * self.steps_per_epoch

    @property
    def val_steps(self) -> int:
        """Steps between two validations."""
        return self.val_interval * self.steps_per_epoch

    def _train(self) -> Any:
        """Train until ``max_epochs`` and return the model."""
        self.resumed_from = self._iter
        self.runner.call_hook('before_train')
        if 0 < self._iter == self._epoch * self.steps_per_epoch and self._validation_is_due():
            self._validate()  # the checkpoint was written before it
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if self._validation_is_due():
                self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validation_is_due(self) -> bool:
        last = self._epoch == self._max_epochs
        return (
            self.runner.val_loop is not None
            and self._epoch >= self.val_begin
            and (last or self._epoch % self.val_interval == 0)
        )

    def run_epoch(self) -> None:
        """The steps of the current epoch that are left."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        end = (self._epoch + 1) * self.steps_per_epoch
        batches = self._batches() if self._iter < end else iter(())
        while self._iter < end:
            self.run_iter(self._iter % self.steps_per_epoch, self._next(batches))
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _batches(self) -> Iterator[Any]:
        batches = self._seeded_batches()
        return iter(self.dataloader) if batches is None else batches
