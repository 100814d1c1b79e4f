"""What a person sees while a model trains or is evaluated: a rich bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil
import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class Meter:
    """Speed over about the newest ``window`` steps (all steps while there are fewer).

    Args:
        window: number of steps.
        clock: function that returns seconds.
    """

    def __init__(self, window: int = 50, clock: Callable[[], float] = time.perf_counter):
        self.window, self.clock = window, clock
        self.steps = 0
        self.seconds_per_step = self.images_per_step = 0.0
        self._last = clock()

    def add(self, images: int) -> None:
        """One more step with ``images`` images has ended now."""
        now = self.clock()
        self.steps += 1
        share = 1 / min(self.steps, self.window)
        self.seconds_per_step += share * (now - self._last - self.seconds_per_step)
        self.images_per_step += share * (images - self.images_per_step)
        self._last = now

    def skip(self) -> None:
        """What happened since the last step does not count."""
        self._last = self.clock()

    @property
    def images_per_second(self) -> float:
        return self.images_per_step / max(self.seconds_per_step, 1e-9)


def memory_gib() -> float:
    """Resident memory of this process and its loader processes, GiB; shared pages count in each of them."""
    this_process = psutil.Process()
    total = 0
    for process in (this_process, *this_process.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # a loader process that has just ended
            continue
    return total / 2**30


def accelerator_gib(device: torch.device) -> float | None:
    """Most memory that tensors took on ``device`` at once, GiB; None on the CPU and where torch does not count it."""
    count = getattr(torch.get_device_module(device), 'max_memory_allocated', None) if device.type != 'cpu' else None
    return None if count is None else count(device) / 2**30


def memory_text(device: torch.device) -> str:
    """``1.5 GiB``, on an accelerator ``1.5 GiB + 20.3 GiB cuda``: of the host, and the most on the device."""
    taken = accelerator_gib(device)
    return f'{memory_gib():.1f} GiB' + ('' if taken is None else f' + {taken:.1f} GiB {device.type}')


def short_time(seconds: float) -> str:
    """0:00:05 for 5.2 seconds."""
    return str(timedelta(seconds=max(int(seconds), 0)))


def batch_size(batch: Any) -> int:
    """Number of images in a batch of mmdet; in one of several branches each has an entry for every image."""
    inputs = batch.get('inputs', ()) if isinstance(batch, dict) else batch
    if isinstance(inputs, dict):
        inputs = next(iter(inputs.values()), ())
    return len(inputs) if hasattr(inputs, '__len__') else 0


@HOOKS.register_module()
class ProgressHook(Hook):
    """Step, total, loss, images/s, time left and memory for training, validation and test.

    The time left counts the validations that are still to come, each as long as the last one.

    Args:
        interval: steps between two plain lines where the output is no terminal.
    """

    priority = 'LOWEST'

    def __init__(self, interval: int = 50):
        self.interval = interval
        self.console = Console(highlight=False)
        self.shown: Progress | None = None
        self.meters: dict[str, Meter] = {}
        self._tasks: dict[str, Any] = {}
        self._text = ('', -10.0)
        self._started = self._validation = 0.0
        self._silent = False
        self._device = torch.device('cpu')

    def before_train(self, runner) -> None:
        self._begin(runner, 'train', runner.max_iters, runner.iter)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        step, meter = runner.iter + 1, self.meters['train']
        meter.add(batch_size(data_batch) * get_world_size())
        if self._silent or not self._is_time(step, runner.max_iters):
            self._advance('train', step, None)
            return
        left = (runner.max_iters - step) * meter.seconds_per_step
        if runner.val_loop is not None:
            every = getattr(runner.train_loop, 'val_steps', runner.val_interval)  # of a loop that counts epochs
            left += (runner.max_iters - step) // max(every, 1) * self._validation
        loss = torch.as_tensor((outputs or {}).get('loss', torch.nan)).detach().item()
        self._advance(
            'train',
            step,
            f'loss {loss:.4g}  {meter.images_per_second:.1f} images/s  {short_time(left)} left  {self._memory()}',
        )

    def before_val(self, runner) -> None:
        self._begin(runner, 'validate', len(runner.val_dataloader), 0)

    def before_test(self, runner) -> None:
        self._begin(runner, 'test', len(runner.test_dataloader), 0)

    def after_val_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._evaluated('validate', batch_idx + 1, len(runner.val_dataloader), data_batch)

    def after_test_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._evaluated('test', batch_idx + 1, len(runner.test_dataloader), data_batch)

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        self._end('validate', metrics or {}, f'step {runner.iter}  ' if 'train' in self.meters else '')

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        self._end('test', metrics or {}, '')

    def after_val(self, runner) -> None:
        self._validation = time.perf_counter() - self._started
        if 'train' in self.meters:
            self.meters['train'].skip()

    def on_exit(self, runner) -> None:
        """Called by DetplugRunner however the run ends: gives the terminal back."""
        if self.shown is not None:
            self.shown.stop()
            self.shown, self._tasks = None, {}

    def after_run(self, runner) -> None:
        self.on_exit(runner)

    def _begin(self, runner, name: str, total: int, done: int) -> None:
        self._silent, self._started = runner.rank != 0, time.perf_counter()
        self._device = next((x.device for x in runner.model.parameters()), torch.device('cpu'))
        self.meters[name] = Meter()
        if self._silent or not self.console.is_terminal:
            return
        if self.shown is None:
            self.shown = Progress(
                TextColumn('{task.description:8}'),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn('{task.fields[text]}'),
                console=self.console,
                refresh_per_second=2,
            )
            self.shown.start()
        self._tasks[name] = self.shown.add_task(name, total=total, completed=done, text='')

    def _memory(self) -> str:
        return memory_text(self._device)

    def _is_time(self, step: int, total: int) -> bool:
        """Whether a new text is due: every second on a terminal, every ``interval`` steps elsewhere."""
        if self.shown is None:
            return step % self.interval == 0 or step == total
        return time.perf_counter() - self._text[1] > 1 or step == total

    def _advance(self, name: str, step: int, text: str | None) -> None:
        if self.shown is not None:
            fields = {} if text is None else dict(text=text)
            self.shown.update(self._tasks[name], completed=step, **fields)
            self._text = self._text if text is None else (text, time.perf_counter())
        elif text is not None:
            print(f'{name} {step}  {text}', flush=True)

    def _evaluated(self, name: str, step: int, total: int, batch: Any) -> None:
        meter = self.meters[name]
        meter.add(batch_size(batch) * get_world_size())
        text = None
        if not self._silent and step < total and self._is_time(step, total):
            left = (total - step) * meter.seconds_per_step
            text = (
                f'of {total}  ' if self.shown is None else ''
            ) + f'{meter.images_per_second:.1f} images/s  {short_time(left)} left  {self._memory()}'
        self._advance(name, step, text)

    def _end(self, name: str, metrics: dict[str, float], prefix: str) -> None:
        if self._silent:
            return
        if name in self._tasks:
            self.shown.remove_task(self._tasks.pop(name))
        headline = '  '.join(
            f'{key} {float(value):.4f}'
            for key, value in metrics.items()
            if '/' not in key and isinstance(value, int | float)
        )
        seconds = time.perf_counter() - self._started
        line = f'{prefix}{name}  {headline}  ({short_time(seconds)})'
        if self.shown is not None:
            self.shown.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)
