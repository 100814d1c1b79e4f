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


@HOOKS.register_module()
class NonFiniteGuard(Hook):
    """Checks every loss term before the backward pass, and every gradient before the optimiser changes a weight.

    On the first inf or nan it writes ``work_dir/non_finite_batch.pth`` (step, term, image ids and paths, the images
    (3, H, W) uint8, boxes (G, 4) in pixels xyxy, labels (G,) and the model's ``state_dict``) and stops. Batch-norm
    statistics are those after the forward pass. Of several processes each writes ``non_finite_batch_rankN.pth``.

    Args:
        gradients: check gradients too.

    Raises:
        NonFiniteError: from within the training step.
    """

    priority = 'HIGHEST'

    def __init__(self, gradients: bool = True):
        self.gradients = gradients
        self.batch: dict[str, Any] = {}
        self._handles: list = []

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model

        def check_losses(module: nn.Module, args: tuple, output: Any) -> None:
            if module.training and isinstance(output, dict):
                for name, value in loss_terms(output):
                    if not math.isfinite(float(value.detach().sum())):
                        self._stop(runner, model, name, value)

        def check_gradients(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
            gradients = [p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
            norms = torch.stack(torch._foreach_norm(gradients)) if gradients else torch.zeros(1)
            if not math.isfinite(float(norms.sum())):
                bad = gradients[int((~norms.isfinite()).nonzero()[0])]
                name = next((name for name, p in model.named_parameters() if p.grad is bad), 'a parameter')
                self._stop(runner, model, f'gradient of {name}', bad)

        self._handles = [model.register_forward_hook(check_losses)]
        if self.gradients:
            optimizers = getattr(runner.optim_wrapper, 'optim_wrappers', {'': runner.optim_wrapper}).values()
            self._handles += [x.optimizer.register_step_pre_hook(check_gradients) for x in optimizers]

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self.batch = data_batch

    def on_exit(self, runner) -> None:
        """Called by DetplugRunner however the training ends."""
        for handle in self._handles:
            handle.remove()
        self._handles, self.batch = [], {}

    def after_train(self, runner) -> None:
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
