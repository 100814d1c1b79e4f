"""When checkpoints are written and which of them stay."""

import re
import time
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from detplug.engine.atomic_file import link_atomic, remove_temporaries
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.engine.distributed import from_first
from detplug.errors import UserError

LAST, BEST = 'last.pth', 'best.pth'
# what only a training that goes on reads: three quarters of YOLOv5n's file, and in no best.pth
TRAINING_STATE = ('optimizer', 'param_schedulers', 'ema_state_dict', 'rng', 'message_hub', 'history')


def numbered_checkpoints(folder: str | Path) -> list[tuple[int, Path]]:
    """(step, path) of every ``iter_N.pth`` in ``folder``, newest first."""
    checkpoints = [(re.fullmatch(r'iter_(\d+)\.pth', path.name), path) for path in Path(folder).glob('iter_*.pth')]
    return sorted(((int(match[1]), path) for match, path in checkpoints if match), reverse=True)


@HOOKS.register_module()
class AtomicCheckpointHook(Hook):
    """Keeps the newest checkpoints, ``last.pth`` and ``best.pth`` in the work folder, each whole at every moment.

    ``last.pth`` is a hard link of ``iter_N.pth`` where the file system has them; ``best.pth`` holds the weights without
    the state of the training, and cannot be resumed. Besides those of ``interval``, the last step gets a checkpoint,
    and every validation, before it begins; so does the step after which training is stopped. Older ones are deleted
    after the new one is complete.

    Args:
        interval: steps between two checkpoints.
        seconds: at least so many between two checkpoints of ``interval``, by the first process's clock: a large model
            on a fast GPU would write all the time.
        keep: number of ``iter_N.pth`` that stay.
        metric: name of the validation metric, higher is better, that chooses ``best.pth``; None keeps no best.
    """

    priority = 'VERY_LOW'

    def __init__(self, interval: int = 500, keep: int = 2, metric: str | None = 'map', seconds: float = 0):
        self.interval, self.keep, self.metric, self.seconds = interval, max(keep, 1), metric, seconds
        self.best: float | None = None
        self.clock = time.monotonic
        self._training = False
        self._saved = -1  # step of the newest checkpoint
        self._time = 0.0  # and when it was complete

    def before_train(self, runner) -> None:
        self._training, self._time = True, self.clock()
        if runner.rank == 0:
            remove_temporaries(runner.work_dir)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        step = runner.iter + 1
        if step == runner.max_iters or (step % self.interval == 0 and self._is_time()):
            self._save(runner, step)

    def before_val(self, runner) -> None:
        self.before_stop(runner)

    def before_stop(self, runner) -> None:
        """Called by ResumableIterLoop, in every process, before it stops because of a signal."""
        if self._training and self._saved != runner.iter:
            self._save(runner, runner.iter)

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        if self.metric is None or not self._training:
            return
        score = self._score(metrics or {})
        if score is None or (self.best is not None and score <= self.best):
            return
        self.best = score
        if runner.rank == 0:
            folder = Path(runner.work_dir)
            whole = load_file(folder / f'iter_{runner.iter}.pth')
            save_atomic({name: part for name, part in whole.items() if name not in TRAINING_STATE}, folder / BEST)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta']['best'] = self.best

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            best = checkpoint['meta'].get('best')
            self.best = float(best) if isinstance(best, int | float) else None

    def _is_time(self) -> bool:
        """Whether ``seconds`` have passed since the newest checkpoint; the first process decides for all."""
        return not self.seconds or from_first(self.clock() - self._time >= self.seconds)

    def _score(self, metrics: dict[str, float]) -> float | None:
        names = [name for name in metrics if name == self.metric or name.endswith(f'/{self.metric}')]
        if not names:
            raise UserError(
                f'AtomicCheckpointHook: metric: {self.metric!r} is not among the metrics '
                f'{", ".join(metrics) or "(none)"}; name one of these, or None'
            )
        score = float(metrics[names[0]])
        return score if score == score else None

    def _save(self, runner, step: int) -> None:
        name = f'iter_{step}.pth'
        runner.save_checkpoint(runner.work_dir, name, meta=dict(epoch=runner.epoch, iter=step), by_epoch=False)
        self._saved, self._time = step, self.clock()
        if runner.rank != 0:
            return
        folder = Path(runner.work_dir)
        link_atomic(folder / name, folder / LAST)
        stay = [path for number, path in numbered_checkpoints(folder) if number <= step][: self.keep]
        for _, path in numbered_checkpoints(folder):
            if path not in stay:
                path.unlink()
