"""How many steps fit into a time: the speed of the first ones is measured, and the schedule gets their number.

A schedule that followed the clock would give another detector each time, and none that can be resumed.
"""

import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from mmdet.registry import RUNNERS
from mmengine.config import Config
from mmengine.hooks import Hook

from detplug.data.dataset_config import innermost_datasets
from detplug.errors import UserError

VAL_IMAGES = 16  # that the speed of a validation is measured on
VALIDATIONS = 10
VAL_SHARE = 0.2  # of the time, at most, where there is more than one validation
FEWEST = 20  # steps that are worth a training
WARM_UP = 2  # steps that are not counted


@dataclass(frozen=True)
class Speed:
    """Seconds of a training step, and of one image of a validation."""

    step: float
    val_image: float


class StepTimes(Hook):
    """Seconds of each step, with the loading of its batch; ends the training after ``most`` seconds."""

    priority = 'LOWEST'

    def __init__(self, most: float, fewest: int = WARM_UP + 2):
        self.most, self.fewest = most, fewest
        self.ends: list[float] = []

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) >= self.fewest and self.ends[-1] - self.ends[0] > self.most:
            runner.train_loop.stop_training = True

    @property
    def step(self) -> float:
        """The median of the later half."""
        steps = [b - a for a, b in zip(self.ends, self.ends[1:], strict=False)]
        return statistics.median(steps[len(steps) // 2 :])


def measure(config: Config, seconds: float) -> Speed:
    """Train the first steps of ``config`` and validate a few images; everything that is written is removed again.

    The median of the later half of the steps counts: the first ones fill caches, and what begins later in a training,
    such as a teacher, has begun by then.

    Args:
        config: with a ``max_iters`` of a few steps.
        seconds: of the whole training; a tenth of it at most is for the steps, where the machine is slow.

    Raises:
        UserError: the fewest steps that are worth a training take longer than that; nothing is validated then.
    """
    times = StepTimes(seconds / 10)
    silent = dict.fromkeys(('checkpoint', 'progress', 'history', 'fit', 'anomalies'))
    config.default_hooks = dict(config.get('default_hooks') or {}, **silent)
    config.custom_hooks = [hook for hook in config.get('custom_hooks') or [] if hook['type'] != 'ReportHook']
    config.train_cfg.val_begin = config.train_cfg.max_iters + 1
    for dataset in innermost_datasets(config.val_dataloader.dataset):
        dataset['indices'] = VAL_IMAGES
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = RUNNERS.get(config.runner_type).from_cfg(config)
        runner.register_hook(times)
        runner.train()
        if FEWEST * times.step > seconds:
            raise too_short(seconds / times.step, times.step, FEWEST * times.step)
        images = len(runner.val_loop.dataloader.dataset)
        began = time.perf_counter()
        runner.val_loop.run()
        val_image = (time.perf_counter() - began) / images
    return Speed(times.step, val_image)


def fitting_steps(seconds: float, speed: Speed, val_images: int, passed: float = 0.0) -> tuple[int, int]:
    """(steps, validations) that take ``seconds`` together, after ``passed`` seconds for reading and measuring.

    Where ten validations would take more than a fifth of the time, there are fewer, at least one.

    Raises:
        UserError: hardly a step fits.
    """
    validation = speed.val_image * val_images
    validations = max(1, min(VALIDATIONS, int(VAL_SHARE * seconds / validation))) if validation else VALIDATIONS
    steps = int((seconds - validations * validation) / speed.step)
    if steps < FEWEST:
        raise too_short(steps, speed.step, FEWEST * speed.step + validation + passed)
    return steps, validations


def too_short(steps: float, step: float, needed: float) -> UserError:
    """The refusal of a time in which ``steps`` of ``step`` seconds fit; ``needed`` seconds would do."""
    minutes = math.ceil(1.1 * needed / 60 * 10) / 10  # a tenth more, as times vary
    return UserError(
        f'--minutes: {max(int(steps), 0)} steps of {step:.2g} s would fit, {FEWEST} are the fewest; '
        f'give --minutes {minutes:g} or more, or a smaller --size or --batch'
    )
