"""The record of a training: ``work_dir/history.jsonl``, one flat JSON object a line."""

import json
import math
import mmap
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from torch import Tensor

from detplug.engine.numbers import to_floats
from detplug.engine.progress import memory_gib
from detplug.engine.trackers import Trackers

FILE = 'history.jsonl'
VALIDATION = b'"val/'  # in the lines of validations, and in no other


def iterate_history(path: str | Path, containing: bytes = b'') -> Iterator[dict[str, Any]]:
    """Rows of a history file in order, those whose line contains ``containing``; one at a time is in memory.

    A last line that was cut off by a crash is left out; there are none in no file.
    """
    if not Path(path).is_file():
        return
    with Path(path).open('rb') as file:
        for line in file:
            if containing in line:
                row = parse(line)
                if row is None:
                    return
                yield row


def read_history(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a history file in order, all of them; see :func:`iterate_history`."""
    return list(iterate_history(path))


def read_validations(path: str | Path) -> list[dict[str, Any]]:
    """The rows of the validations."""
    return list(iterate_history(path, VALIDATION))


def read_thinned(path: str | Path, most: int = 4000) -> list[dict[str, Any]]:
    """Rows in order for a figure: every validation, and of the training rows at most ``most``, every 2**k-th.

    Lines that are left out are not even parsed: 2 million steps take seconds, and the memory of ``most`` rows.
    """
    if not Path(path).is_file():
        return []
    kept, stride, number = [], 1, 0  # kept: (number of the training row or None, line)
    with Path(path).open('rb') as file:
        for line in file:
            if VALIDATION in line:
                kept.append((None, line))
                continue
            if number % stride == 0:
                kept.append((number, line))
                if number // stride >= most:
                    stride *= 2
                    kept = [(n, text) for n, text in kept if n is None or n % stride == 0]
            number += 1
    return list(takewhile(lambda row: row is not None, (parse(line) for _, line in kept)))


def parse(line: bytes) -> dict[str, Any] | None:
    """The row of a line; None for one that was cut off."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def truncate_history(path: str | Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Cut off, in place, the rows behind the newest one that ``keep`` accepts; nothing where there is no file.

    Only the end of the file is read, so that a resume costs what it takes away.
    """
    if not Path(path).is_file() or not Path(path).stat().st_size:
        return
    with Path(path).open('r+b') as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            end = len(text)
            while end:
                start = text.rfind(b'\n', 0, end - 1) + 1
                row = parse(text[start:end])
                if row is not None and keep(row):
                    break
                end = start
            whole = not end or text[end - 1] == ord('\n')
        file.truncate(end)
        if not whole:  # a crash between a row and the end of its line
            file.seek(end)
            file.write(b'\n')


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
    ``val/NAME`` of every metric, val/time, seconds, the number of threads, and memory in GiB (of this process and its
    loader processes). On resume, rows after the resumed step
    are taken away. Back ends of the config's visualizer (TensorBoard, ...) get each row too.

    Args:
        interval: steps.
    """

    priority = 'BELOW_NORMAL'  # after EMA, before the schedulers and the checkpoint

    def __init__(self, interval: int = 1):
        self.interval = interval
        self.sums: dict[str, Any] = {}
        self.count = 0
        self._file = self._trackers = None
        self._before = self._started = 0.0

    def before_train(self, runner) -> None:
        self._before = time.perf_counter()
        if runner.rank != 0:
            return
        path = Path(runner.work_dir) / FILE
        step = runner.iter
        truncate_history(path, lambda row: step > 0 and is_kept(row, step, validate_again=True))
        self._file, self._trackers = path.open('a', buffering=1), Trackers(runner)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        now = time.perf_counter()
        values = dict(outputs or {}, data_time=getattr(runner.train_loop, 'data_time', 0.0), time=now - self._before)
        self._before = now
        for name, value in values.items():
            value = value.detach() if isinstance(value, Tensor) else value
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1
        if (runner.iter + 1) % self.interval == 0 or runner.iter + 1 == runner.max_iters:
            sums = dict(zip(self.sums, to_floats(list(self.sums.values())), strict=True))
            means = {name: to_number(total / self.count) for name, total in sums.items()}
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
        seconds = time.perf_counter() - self._started
        machine = {'threads': torch.get_num_threads(), 'memory': memory_gib()}
        self._write({'step': runner.iter, **numbers, 'val/time': seconds, **machine})

    def after_val(self, runner) -> None:
        self._before += time.perf_counter() - self._started

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        sums = dict(zip(self.sums, to_floats(list(self.sums.values())), strict=True))
        checkpoint['history'] = dict(sums=sums, count=self.count)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume and isinstance(checkpoint.get('history'), dict):
            self.sums = dict(checkpoint['history']['sums'])
            self.count = int(checkpoint['history']['count'])

    def on_exit(self, runner) -> None:
        """Called by DetplugRunner however the training ends."""
        if self._file is not None:
            self._file.close()
            self._trackers.close()
            self._file = self._trackers = None

    def after_run(self, runner) -> None:
        self.on_exit(runner)

    def _write(self, row: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(row) + '\n')
            self._trackers.add(row)
