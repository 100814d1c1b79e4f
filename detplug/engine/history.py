"""The record of a training: ``work_dir/history.jsonl``, one flat JSON object a line."""

import json
import math
import time
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from torch import Tensor

from detplug.engine.atomic_file import write_atomic

FILE = 'history.jsonl'


def read_history(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a history file in order; a last line that was cut off by a crash is left out; empty for no file."""
    rows = []
    for line in Path(path).read_text().splitlines() if Path(path).is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def is_kept(row: dict[str, Any], step: int, validate_again: bool) -> bool:
    """Whether a row belongs to the first ``step`` steps; the validation at ``step`` itself may be run once more."""
    is_validation = any(key.startswith('val/') for key in row)
    return row['step'] < step or (row['step'] == step and not (is_validation and validate_again))


def to_number(value: Any) -> float | None:
    """A JSON number of a scalar; None for inf and nan, which JSON does not have."""
    number = float(value)
    return number if math.isfinite(number) else None


@HOOKS.register_module()
class HistoryHook(Hook):
    """Writes a row every ``interval`` steps and one for every validation.

    Training rows: step (done so far), lr (of the first parameter group), each value that the model returns, data_time
    and time (seconds a step; ``time`` is the whole step with waiting for data, hooks and checkpoints, without
    validation). With ``interval`` > 1 they are means over the steps since the last row. Validation rows: step,
    ``val/NAME`` of every metric and val/time, seconds. On resume, rows after the resumed step are taken away.

    Args:
        interval: steps.
    """

    priority = 'BELOW_NORMAL'  # after EMA, before the schedulers and the checkpoint

    def __init__(self, interval: int = 1):
        self.interval = interval
        self.sums: dict[str, Any] = {}
        self.count = 0
        self._file = None
        self._before = self._started = 0.0

    def before_train(self, runner) -> None:
        self._before = time.perf_counter()
        if runner.rank != 0:
            return
        path = Path(runner.work_dir) / FILE
        step = runner.iter
        rows = [row for row in read_history(path) if step and is_kept(row, step, validate_again=True)]
        write_atomic(path, lambda file: file.write(''.join(json.dumps(row) + '\n' for row in rows).encode()))
        self._file = path.open('a', buffering=1)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        now = time.perf_counter()
        values = dict(outputs or {}, data_time=getattr(runner.train_loop, 'data_time', 0.0), time=now - self._before)
        self._before = now
        for name, value in values.items():
            value = value.detach() if isinstance(value, Tensor) else value
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1
        if (runner.iter + 1) % self.interval == 0 or runner.iter + 1 == runner.max_iters:
            means = {name: to_number(total / self.count) for name, total in self.sums.items()}
            learning_rate = next(iter(runner.optim_wrapper.get_lr().values()))[0]
            self._write(dict(step=runner.iter + 1, lr=learning_rate, **means))
            self.sums, self.count = {}, 0

    def before_val(self, runner) -> None:
        self._started = time.perf_counter()

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        if self._file is None:
            return
        numbers = {
            f'val/{name}': to_number(value)
            for name, value in (metrics or {}).items()
            if isinstance(value, int | float) or getattr(value, 'size', 0) == 1
        }
        self._write({'step': runner.iter, **numbers, 'val/time': time.perf_counter() - self._started})

    def after_val(self, runner) -> None:
        self._before += time.perf_counter() - self._started

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['history'] = dict(sums={name: float(x) for name, x in self.sums.items()}, count=self.count)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume and isinstance(checkpoint.get('history'), dict):
            self.sums = dict(checkpoint['history']['sums'])
            self.count = int(checkpoint['history']['count'])

    def on_exit(self, runner) -> None:
        """Called by DetplugRunner however the training ends."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def after_run(self, runner) -> None:
        self.on_exit(runner)

    def _write(self, row: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(row) + '\n')
