"""What happens around a training step of :class:`OpenSetDetector`: teacher, calibration, thresholds, state, log."""

import json
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from detplug.engine.atomic_file import write_atomic
from detplug.engine.history import read_history

from .calibrate import batches_of, fit_ood_model
from .data import labelled_images
from .detector import OpenSetDetector

FILE = 'openset.jsonl'


@HOOKS.register_module()
class OpenSetHook(Hook):
    """Moves the teacher, refits the OOD model, follows the AP, keeps the library in checkpoints, logs.

    Args:
        momentum: of the mean teacher: teacher += momentum (student - teacher).
        refit: steps between two fits of the OOD model; the first is at the end of the burn-in.
        interval: steps between two rows of ``openset.jsonl``.
        patience: steps without a pseudo-label after which a warning says why.
    """

    priority = 'ABOVE_NORMAL'  # the teacher is moved before anything is saved or validated

    def __init__(
        self,
        momentum: float = 0.01,
        refit: int = 100,
        interval: int = 50,
        patience: int = 50,
    ):
        self.momentum, self.refit = momentum, refit
        self.interval, self.patience = interval, patience
        self.dry_steps = 0
        self._pairs: tuple[list, list] | None = None

    def before_train(self, runner) -> None:
        model = detector_of(runner)
        teacher, student = model.teacher.state_dict(), model.student.state_dict()
        names = [name for name, x in teacher.items() if x.is_floating_point()]
        self._pairs = [teacher[n] for n in names], [student[n] for n in names]
        if runner.iter == 0:
            torch._foreach_copy_(*self._pairs)
        if runner.rank == 0:
            path = Path(runner.work_dir) / FILE
            rows = [row for row in read_history(path) if row['step'] <= runner.iter]
            write_atomic(path, lambda file: file.write(''.join(json.dumps(row) + '\n' for row in rows).encode()))

    def before_train_iter(self, runner, batch_idx: int, data_batch: Any = None) -> None:
        model = detector_of(runner)
        model.step = runner.iter
        due = model.ood is not None and runner.iter >= model.burn_in
        if due and (runner.iter - model.burn_in) % self.refit == 0:
            found = fit_ood_model(model, batches_of(labelled_images(runner.train_dataloader.dataset)))
            runner.logger.info(f'step {runner.iter}: OOD model fitted on {found} labelled boxes')

    @torch.no_grad()
    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        teacher, student = self._pairs
        torch._foreach_lerp_(teacher, student, max(self.momentum, 1 / (runner.iter + 2)))
        model = detector_of(runner)
        self._warn(runner, model)
        if (runner.iter + 1) % self.interval == 0 and runner.rank == 0:
            names = runner.train_dataloader.dataset.metainfo['classes']
            row = dict(step=runner.iter + 1, **model.log.take(names, model.thresholds.values))
            with (Path(runner.work_dir) / FILE).open('a') as file:
                file.write(json.dumps(row) + '\n')

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        if metrics and runner.train_loop is not None:
            detector_of(runner).thresholds.update(metrics, tuple(runner.val_dataloader.dataset.metainfo['classes']))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        model = detector_of(runner)
        checkpoint['openset'] = dict(dry_steps=self.dry_steps)
        if model.embedding is not None:
            checkpoint['openset']['library'] = model.embedding.library.state_dict()

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        state, model = checkpoint.get('openset'), detector_of(runner)
        if not isinstance(state, dict):
            return
        self.dry_steps = state['dry_steps']
        if model.embedding is not None and 'library' in state:
            model.embedding.library.load_state_dict(state['library'])

    def _warn(self, runner, model: OpenSetDetector) -> None:
        """No pseudo-label for long is said once, with the cause."""
        if model.mode == 'supervised' or runner.iter < model.burn_in:
            return
        self.dry_steps = 0 if model.last_pseudo else self.dry_steps + 1
        if self.dry_steps == self.patience:
            runner.logger.warning(
                f'step {runner.iter + 1}: no pseudo-label for {self.patience} steps, unlabelled images teach nothing; '
                f'{model.why_no_pseudo()}'
            )


def detector_of(runner) -> OpenSetDetector:
    """The model without its wrapper of several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
