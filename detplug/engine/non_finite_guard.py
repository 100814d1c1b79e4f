"""Stop a training whose loss or gradient is no longer a number, before the weights are spoilt."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from detplug.engine.checkpoint import save_atomic
from detplug.engine.numbers import to_floats
from detplug.errors import UserError

FILE = 'non_finite_batch.pth'


def file_of(rank: int, world_size: int) -> str:
    """Name of the file that a process writes; of several each has its own."""
    return FILE if world_size == 1 else f'{Path(FILE).stem}_rank{rank}.pth'


class NonFiniteError(UserError):
    """A loss term or gradient is inf or nan; the message names the term, the step and the images."""


def loss_terms(losses: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of each term that mmengine sums: the name contains 'loss'; of a list, ``name[i]``."""
    for name, value in losses.items():
        if 'loss' in name:
            yield from (
                [(name, value)]
                if isinstance(value, Tensor)
                else ((f'{name}[{i}]', item) for i, item in enumerate(value))
            )


def non_finite_gradient(optimizer: torch.optim.Optimizer, model: nn.Module) -> tuple[str, Tensor] | None:
    """``gradient of NAME`` and the first gradient with an inf or nan, None where all are finite."""
    gradients = [p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients)) if gradients else torch.zeros(1)
    if math.isfinite(float(norms.sum())):
        return None
    bad = next((x for x, norm in zip(gradients, norms, strict=True) if not norm.isfinite()), gradients[0])
    name = next((name for name, p in model.named_parameters() if p.grad is bad), 'a parameter')
    return f'gradient of {name}', bad


@HOOKS.register_module()
class NonFiniteGuard(Hook):
    """Checks every loss term before the backward pass, and every gradient before the optimiser changes a weight.

    On the first inf or nan it writes ``work_dir/non_finite_batch.pth`` (step, term, image ids and paths, the images
    (3, H, W) uint8, boxes (G, 4) in pixels xyxy, labels (G,) and the model's ``state_dict``) and stops. Batch-norm
    statistics are those after the forward pass. Of several processes each writes ``non_finite_batch_rankN.pth``.

    A gradient that overflows in float16 is what a loss scaler is for: it leaves the weights as they are, halves its
    scale, and the step is counted (``skipped_steps`` in history.jsonl). ``most_skipped`` such steps in a row, or a
    scale that has sunk below ``smallest_scale``, stop the training as a gradient without a scaler does.

    Args:
        gradients: check gradients too.
        most_skipped: steps that a loss scaler may skip one after the other.
        smallest_scale: of a loss scaler.

    Raises:
        NonFiniteError: from within the training step.
    """

    priority = 'HIGHEST'

    def __init__(self, gradients: bool = True, most_skipped: int = 30, smallest_scale: float = 2.0**-14):
        self.gradients = gradients
        self.most_skipped, self.smallest_scale = most_skipped, smallest_scale
        self.skipped, self.skipped_in_a_row = 0, 0
        self.scalers: list = []
        self.batch: dict[str, Any] = {}
        self._handles: list = []

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model

        def check_losses(module: nn.Module, args: tuple, output: Any) -> None:
            if module.training and isinstance(output, dict):
                terms = list(loss_terms(output))
                for (name, value), total in zip(terms, to_floats([x.detach().sum() for _, x in terms]), strict=True):
                    if not math.isfinite(total):
                        self._stop(runner, model, name, value)

        def check_gradients(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
            bad = non_finite_gradient(optimizer, model)
            if bad is not None:
                self._stop(runner, model, *bad)

        self._handles = [model.register_forward_hook(check_losses)]
        wrappers = getattr(runner.optim_wrapper, 'optim_wrappers', {'': runner.optim_wrapper}).values()
        for wrapper in wrappers:
            scaler = getattr(wrapper, 'loss_scaler', None)
            if scaler is not None:
                self._watch(runner, model, scaler)
            elif self.gradients:
                self._handles.append(wrapper.optimizer.register_step_pre_hook(check_gradients))

    def _watch(self, runner, model: nn.Module, scaler: torch.amp.GradScaler) -> None:
        """Look at the gradients after the scaler did: a fused optimizer's step is called even where it is skipped."""
        step_of_scaler = scaler.step

        def step(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            result = step_of_scaler(optimizer, *args, **kwargs)
            bad = non_finite_gradient(optimizer, model)
            if bad is None:
                self.skipped_in_a_row = 0
                return result
            self.skipped += 1
            self.skipped_in_a_row += 1
            scale = scaler.get_scale()
            if self.skipped_in_a_row >= self.most_skipped or scale < self.smallest_scale:
                self._stop(runner, model, f'{bad[0]} (loss scale {scale:.3g}, {self.skipped_in_a_row} steps)', bad[1])
            if self.skipped == 1 and runner.rank == 0:
                print(
                    f'step {runner.iter + 1}: {bad[0]} overflows at loss scale {scale:g}: this step is skipped and the '
                    'scale lowered, as usual in float16; skipped_steps in history.jsonl counts them',
                    flush=True,
                )
            return result

        scaler.step = step
        self.scalers.append(scaler)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        if self.scalers and outputs is not None:
            outputs['skipped_steps'] = float(self.skipped)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if self.scalers:
            checkpoint['skipped_steps'] = [self.skipped, self.skipped_in_a_row]

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume and 'skipped_steps' in checkpoint:
            self.skipped, self.skipped_in_a_row = map(int, checkpoint['skipped_steps'])

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self.batch = data_batch

    def on_exit(self, runner) -> None:
        """Called by DetplugRunner however the training ends."""
        for handle in self._handles:
            handle.remove()
        for scaler in self.scalers:
            del scaler.step  # the class's own again
        self._handles, self.scalers, self.batch = [], [], {}

    def after_train(self, runner) -> None:
        if self.skipped and runner.rank == 0:
            print(f'{self.skipped} of {runner.iter} steps were skipped by the loss scaler', flush=True)
        self.on_exit(runner)

    def _stop(self, runner, model: nn.Module, term: str, value: Tensor) -> None:
        step = runner.iter + 1
        kind = 'nan' if value.isnan().any() else 'inf'
        record = describe_batch(self.batch) | dict(step=step, term=term, state_dict=model.state_dict())
        path = Path(runner.work_dir) / file_of(runner.rank, runner.world_size)
        save_atomic(record, path)
        ids = ', '.join(map(str, record['image_ids'])) or 'not known'
        raise NonFiniteError(
            f'step {step}: {term} is {kind} for images {ids}; weights are as before this step; '
            f'batch in {path}{self._others(runner, term)}; lower the learning rate, or look at these images and their '
            'boxes'
        )

    def _others(self, runner, term: str) -> str:
        """Where the cause may be instead: a gradient is the mean of all processes, a loss is this one's own."""
        if runner.world_size == 1 or not term.startswith('gradient'):
            return ''
        others = [file_of(rank, runner.world_size) for rank in range(runner.world_size) if rank != runner.rank]
        return f', or it is the fault of another process: {", ".join(others)} beside it'


def describe_batch(batch: Any) -> dict[str, Any]:
    """Image ids, paths, images, boxes and labels of a batch of mmdet, as plain data; empty lists where it has none."""
    samples = list(batch.get('data_samples') or ()) if isinstance(batch, dict) else []
    inputs = batch.get('inputs') if isinstance(batch, dict) else None
    truth = [sample.gt_instances for sample in samples if 'gt_instances' in sample]
    boxes = [getattr(x.bboxes, 'tensor', x.bboxes) for x in truth if 'bboxes' in x]
    return dict(
        image_ids=[sample.metainfo.get('img_id') for sample in samples],
        image_paths=[str(sample.metainfo.get('img_path', '')) for sample in samples],
        inputs=list(inputs) if isinstance(inputs, list | tuple | Tensor) else [],
        boxes=boxes,
        labels=[x.labels for x in truth if 'labels' in x],
    )
