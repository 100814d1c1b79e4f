"""What a training step costs: the real one, the same on a preloaded batch, and the bare network.

real       : the training loop as users run it: loader, hooks, EMA, progress, schedulers
preloaded  : train_step of the same model, loss and optimizer on the same batch, which is in memory by then
bare       : forward + backward + SGD of the network alone, on the same images (loss = mean of the raw outputs)

After each real step one preloaded and one bare step of a copy of the model run, so that a machine whose speed drifts
slows all three alike; the ratios are medians over the rounds.

python benchmarks/train_step.py      (about 3 minutes; needs the BCCD data)

With --against CHECKOUT the training of another commit runs beside, step by step in turn, from an empty image cache on:
`real_ratio` is the median over the rounds of our step over the other one's (`first_ratio`: sum of the first 15).
"""

import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from record import record

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import RUNNERS
    from mmengine.hooks import Hook
    from mmengine.optim import build_optim_wrapper

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.engine.memory import keep_freed_memory

CONFIG = 'configs/yolov5/yolov5n_bccd.py'
WARM_UP = 15  # rounds: every image of the training split has been decoded and is in the cache


class ThreeSteps(Hook):
    """After every step of a training: the seconds since the last call, then a preloaded and a bare step, timed.

    Attributes:
        rounds: name -> seconds of each round.
    """

    priority = 'LOWEST'  # after every hook of a user's training

    def __init__(self):
        self.rounds: dict[str, list[float]] = {'real': [], 'wait': [], 'preloaded': [], 'bare': []}

    def before_train(self, runner) -> None:
        self.model = copy.deepcopy(runner.model).train()
        self.wrapper = build_optim_wrapper(self.model, copy.deepcopy(runner.cfg.optim_wrapper))
        self.began = time.perf_counter()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.rounds['real'].append(time.perf_counter() - self.began)
        self.rounds['wait'].append(runner.train_loop.data_time)
        self._time('preloaded', lambda: self.model.train_step(data_batch, self.wrapper))
        images = self.model.data_preprocessor(data_batch, training=True)['inputs']
        self._time('bare', lambda: self._bare_step(images))
        self.began = time.perf_counter()

    def _time(self, name: str, step) -> None:
        began = time.perf_counter()
        step()
        self.rounds[name].append(time.perf_counter() - began)

    def _bare_step(self, images: torch.Tensor) -> None:
        self.wrapper.optimizer.zero_grad()
        outputs = self.model.bbox_head.raw_predictions(self.model.extract_feat(images))
        sum(x.mean() for x in outputs).backward()
        self.wrapper.optimizer.step()


class StepByStep(Hook):
    """Writes the seconds of each step to a pipe and waits for a line on stdin before the next.

    Args:
        pipe: file descriptor.
    """

    priority = 'LOWEST'

    def __init__(self, pipe: int):
        self.pipe = os.fdopen(pipe, 'w', buffering=1)

    def before_train(self, runner) -> None:
        self._wait()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        print(time.perf_counter() - self.began, file=self.pipe)
        self._wait()

    def _wait(self) -> None:
        sys.stdin.readline()
        self.began = time.perf_counter()


def train(steps: int, work_dir: Path, hook: Hook):
    """Train ``steps`` steps in ``work_dir``; returns the config."""
    config = load_config(CONFIG, [f'train_cfg.max_iters={steps}', f'train_cfg.val_interval={steps * 10}'])
    config.update(work_dir=str(work_dir), launcher='none', resume=False, load_from=None, randomness=dict(seed=0))
    runner = RUNNERS.get(config.runner_type).from_cfg(config)
    runner.register_hook(hook)
    runner.train()
    return config


def in_turn(checkouts: list[Path], steps: int, work_dir: Path) -> list[list[float]]:
    """Seconds of each step of the trainings of several checkouts; only one runs at a time."""
    trainings, pipes = [], []
    for number, checkout in enumerate(checkouts):
        reader, writer = os.pipe()
        folder = work_dir / str(number)
        trainings.append(
            subprocess.Popen(
                [sys.executable, __file__, f'--rounds={steps - WARM_UP}', f'--pipe={writer}', f'--work-dir={folder}'],
                cwd=checkout,
                env=os.environ | {'PYTHONPATH': str(checkout), 'DETPLUG_CACHE': str(folder / 'images')},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[writer],
                text=True,
            )
        )
        os.close(writer)
        pipes.append(os.fdopen(reader))
    seconds = [[] for _ in checkouts]
    try:
        for step in range(steps):
            for k in range(len(checkouts)):
                k = (k + step) % len(checkouts)  # neither is always the first
                print(file=trainings[k].stdin, flush=True)
                seconds[k].append(float(pipes[k].readline()))
    finally:
        for training in trainings:
            training.kill()  # before its validation
            training.communicate()
    return seconds


def compare(rounds: int, work_dir: Path, other: Path) -> dict[str, float]:
    """Figures of --against."""
    ours, theirs = in_turn([Path(__file__).resolve().parents[1], other.resolve()], WARM_UP + rounds, work_dir)
    return {
        'real_ratio': statistics.median(a / b for a, b in zip(ours[WARM_UP:], theirs[WARM_UP:], strict=True)),
        'first_ratio': sum(ours[:WARM_UP]) / sum(theirs[:WARM_UP]),
    }


def measure(rounds: int, work_dir: Path, other: Path | None) -> None:
    """Train ``WARM_UP + rounds`` steps in ``work_dir`` and write the result."""
    steps = ThreeSteps()
    config = train(WARM_UP + rounds, work_dir, steps)
    real, wait, preloaded, bare = (statistics.median(values[WARM_UP:]) for values in steps.rounds.values())
    record(
        'train_step',
        {
            'data_wait_share': wait / real,
            'overhead_ratio': real / preloaded,
            'loss_ratio': preloaded / bare,
            'real_seconds': real,
            'preloaded_seconds': preloaded,
            'bare_seconds': bare,
            'images_per_second': config.train_dataloader.batch_size / real,
            'rounds': rounds,
        }
        | ({} if other is None else compare(rounds, work_dir, other)),
        [0],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=60)
    parser.add_argument('--against', type=Path, help='folder of another commit')
    parser.add_argument('--pipe', type=int, help=argparse.SUPPRESS)  # one of the trainings in turn
    parser.add_argument('--work-dir', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pipe is not None:
        train(WARM_UP + args.rounds, args.work_dir, StepByStep(args.pipe))
        return
    with tempfile.TemporaryDirectory() as work_dir:
        measure(args.rounds, Path(work_dir), args.against)


if __name__ == '__main__':
    torch.set_num_threads(2)
    keep_freed_memory()
    main()
