"""A training that ends when its validations no longer improve."""

from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from detplug.engine.distributed import from_first
from detplug.engine.history import FILE, read_validations
from detplug.errors import UserError


@HOOKS.register_module()
class EarlyStopHook(Hook):
    """Stops training after ``patience`` validations in a row without a new best one.

    What the validations found is read from history.jsonl, so that a resumed training counts as one that was never
    stopped. The checkpoint of the last validation is there already; best.pth is that of the best.

    Args:
        patience: validations, 1 or more.
        metric: name of the figure, without ``val/``; higher is better.

    Raises:
        UserError: patience below 1; the validations have no such figure.
    """

    priority = 'VERY_LOW'  # after history and checkpoint

    def __init__(self, patience: int, metric: str = 'map'):
        if patience < 1:
            raise UserError(f'EarlyStopHook: patience: {patience}: not 1 or more')
        self.patience, self.metric = patience, metric
        self._training = False

    def before_train(self, runner: Any) -> None:
        self._training = True

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        if not self._training:
            return
        rows = read_validations(Path(runner.work_dir) / FILE) if runner.rank == 0 else []
        since = from_first(self.validations_since_best(rows))
        if since >= self.patience:
            runner.train_loop.stop_training = True
            if runner.rank == 0:
                print(f'step {runner.iter}: {since} validations without a better {self.metric}; the training ends here')

    def validations_since_best(self, rows: list[dict[str, Any]]) -> int:
        """How many of the newest rows came after the one with the highest figure; the first of equal ones counts."""
        key = f'val/{self.metric}'
        if rows and not any(key in row for row in rows):
            names = ', '.join(name[4:] for name in rows[-1] if name.startswith('val/'))
            raise UserError(f'EarlyStopHook: metric: {self.metric!r} is not among the metrics {names}; name one')
        values = [float('-inf') if row.get(key) is None else row[key] for row in rows]
        return len(values) - 1 - values.index(max(values)) if values else 0
