"""What happens around a training step of :class:`OpenSetDetector`: teacher, calibration, thresholds, state, log."""

import json
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from detplug.engine.atomic_file import write_atomic
from detplug.engine.checkpoint_hook import AtomicCheckpointHook
from detplug.engine.history import read_history
from detplug.errors import UserError

from .calibrate import batches_of, fit_ood_model
from .cce.transform import objects_by_class
from .data import TwoSourceSampler, find_two_sources, labelled_images
from .detector import OpenSetDetector
from .planted import planted_ap
from .pseudo_labels import why_none

FILE = 'openset.jsonl'


@HOOKS.register_module()
class OpenSetHook(Hook):
    """Moves the teacher, refits the OOD model, follows the AP, keeps library and counts in checkpoints, logs.

    The OOD model is fitted when the burn-in ends, every ``refit`` steps, and always after the last change of the
    teacher before a validation or a checkpoint: what is evaluated and saved belongs to the teacher beside it. (Before a
    checkpoint of the hook's ``interval``, whether its ``seconds`` let it be written or not: a training must not depend
    on the clock. A training that a signal stops in between saves the newest fit.)

    Args:
        momentum: of the mean teacher: teacher += momentum (student - teacher).
        refit: steps between two fits of the OOD model.
        interval: steps between two rows of ``openset.jsonl``, which count the images of all processes.
        patience: steps without a pseudo-label after which a warning says why; looked at every ``interval`` steps.
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
        self._warned = False
        self._pairs: tuple[list, list] | None = None  # while training
        self._saved_every: list[int] = []
        self._fitted_at = -1

    def before_train(self, runner) -> None:
        model = detector_of(runner)
        check_batch(runner.train_dataloader)
        teacher, student = model.teacher.state_dict(), model.student.state_dict()
        names = [name for name, x in teacher.items() if x.is_floating_point()]
        self._pairs = [teacher[n] for n in names], [student[n] for n in names]
        self._saved_every = [hook.interval for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook)]
        if runner.iter == 0:
            torch._foreach_copy_(*self._pairs)
        self._start_from_labels(runner, model)
        if runner.rank == 0:
            path = Path(runner.work_dir) / FILE
            rows = [row for row in read_history(path) if row['step'] <= runner.iter]
            write_atomic(path, lambda file: file.write(''.join(json.dumps(row) + '\n' for row in rows).encode()))

    def _start_from_labels(self, runner, model: OpenSetDetector) -> None:
        """What is known of the labelled images before the first step; a resumed training has its library already."""
        if not model.plan.unlabelled:
            return
        dataset = runner.train_dataloader.dataset
        images = find_two_sources(dataset).parts[0]
        model.mean_objects = sum(map(len, objects_by_class(images, model.classes))) / len(images)
        if model.embedding is not None and not model.embedding.library.images:
            model.embedding.start(labelled_images(dataset), model.data_preprocessor)

    def before_train_iter(self, runner, batch_idx: int, data_batch: Any = None) -> None:
        model = detector_of(runner)
        model.step = runner.iter
        if runner.iter == model.burn_in and self._fitted_at != runner.iter:
            self._fit(runner, model)

    @torch.no_grad()
    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        teacher, student = self._pairs
        torch._foreach_lerp_(teacher, student, max(self.momentum, 1 / (runner.iter + 2)))
        model, step = detector_of(runner), runner.iter + 1
        saved = step == runner.max_iters or any(step % x == 0 for x in (*self._saved_every, runner.val_interval))
        if saved or (step > model.burn_in and (step - model.burn_in) % self.refit == 0):
            self._fit(runner, model, step)
        if model.plan.unlabelled and runner.iter >= model.burn_in:
            self.dry_steps = 0 if model.last_pseudo else self.dry_steps + 1
        if step % self.interval == 0:
            self._warn(runner, model)
        if saved or step % self.interval == 0:
            model.log.merge_processes()
        if step % self.interval == 0 and runner.rank == 0:
            names = runner.train_dataloader.dataset.metainfo['classes']
            row = dict(step=step, **model.log.take(names, model.thresholds.values))
            if model.embedding is not None:
                sizes = model.embedding.library.sizes().tolist()
                row |= {f'library/{name}': size for name, size in zip(model.class_names(names), sizes, strict=False)}
            if model.discovery is not None:
                row['false_discovery'] = float(model.discovery.rate)
            with (Path(runner.work_dir) / FILE).open('a') as file:
                file.write(json.dumps(row) + '\n')

    def after_train(self, runner) -> None:
        self._pairs = None

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        if not metrics or self._pairs is None:
            return
        names = tuple(runner.val_dataloader.dataset.metainfo['classes'])
        model = detector_of(runner)
        thresholds = model.thresholds
        if thresholds.planted:
            ap = planted_ap(model, runner.val_dataloader.dataset, thresholds.planted)
            model.set_unknown_threshold(thresholds.of_unknown(ap, model.fusion.tau_low))
            runner.logger.info(
                f'step {runner.iter}: AP of chimeras in {thresholds.planted} val images {ap:.3f}, tau_high '
                f'{model.fusion.tau_high:.4f}'
            )
        if not thresholds.update(metrics, names) and thresholds.fixed is None:
            runner.logger.warning(
                f'step {runner.iter}: val_evaluator gives no ap/{names[0]} or that of another class, the class '
                'thresholds stay what they are; use OpenSetMetric or BoxAP, or set model.thresholds.fixed'
            )

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        model = detector_of(runner)
        state = dict(dry_steps=self.dry_steps, fitted_at=self._fitted_at, log=model.log.state_dict())
        if model.embedding is not None:
            state['library'] = model.embedding.library.state_dict()
        if model.discovery is not None:
            state |= dict(discovery=model.discovery.counts.cpu(), tau_high=model.fusion.tau_high)
        checkpoint['openset'] = state

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """The state of the training that is resumed; ``load_from`` takes weights alone."""
        state, model = checkpoint.get('openset'), detector_of(runner)
        if not runner._resume or not isinstance(state, dict):
            return
        try:
            model.log.load_state_dict(state['log'])
            if model.embedding is not None:
                model.embedding.library.load_state_dict(state['library'])
            if model.discovery is not None:
                model.discovery.counts = state['discovery']
                if model.thresholds.planted:
                    model.set_unknown_threshold(state['tau_high'])
        except (KeyError, ValueError) as error:
            raise UserError(
                f'{runner.work_dir}: its checkpoint is of another version or another model ({error}); train in a new '
                '--work-dir, with load_from to begin with its weights'
            ) from error
        self.dry_steps, self._fitted_at = state['dry_steps'], state['fitted_at']

    def _fit(self, runner, model: OpenSetDetector, step: int | None = None) -> None:
        if model.ood is None:
            return
        self._fitted_at = runner.iter if step is None else step
        count = fit_ood_model(model, batches_of(labelled_images(runner.train_dataloader.dataset)))
        runner.logger.info(f'step {self._fitted_at}: OOD model fitted on {count} labelled boxes')

    def _warn(self, runner, model: OpenSetDetector) -> None:
        """No pseudo-label for long in any process is said once, with the cause."""
        dry = torch.tensor(self.dry_steps)
        all_reduce(dry, 'min')
        if int(dry) < self.patience:
            self._warned = False
        elif not self._warned:
            self._warned = True
            runner.logger.warning(
                f'step {runner.iter + 1}: no pseudo-label for {int(dry)} steps, unlabelled images teach nothing; '
                f'{why_none(model.last_answers, model.thresholds, model.plan)}'
            )


def check_batch(loader) -> None:
    """Every batch holds both kinds of images in the sampler's proportion.

    Raises:
        UserError: the batch size is no multiple of the pattern's sum.
    """
    sampler, size = loader.sampler, loader.batch_size
    if isinstance(sampler, TwoSourceSampler) and size % sum(sampler.pattern):
        raise UserError(
            f'config: train_dataloader.batch_size: {size} is no multiple of {sum(sampler.pattern)}, the sum of '
            f'sampler.pattern {sampler.pattern}: a batch needs labelled and unlabelled images; give a multiple'
        )


def detector_of(runner) -> OpenSetDetector:
    """The model without its wrapper of several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
