"""Kill a training at random moments, resume it each time, and compare it with one that was not stopped.

A tiny detector (tests/engine/tiny_training.py) trains with mosaic, affine, HSV, albumentations, dropout, EMA,
schedulers and two loader processes; a checkpoint every 4 steps, a validation every 8. Each SIGKILL comes at a moment
drawn uniformly from 1.5 seconds, which begin when the process starts or after its first or fifth step (drawn too), so
that the kills hit set-up, resuming, training, validation and the writing of checkpoints.

Usage: python benchmarks/crash_resume.py [--kills 20] [--seed 0] [--no-record]
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests' / 'engine'), str(ROOT / 'benchmarks')]

import torch  # noqa: E402
from record import record  # noqa: E402
from tiny_training import build, write_images  # noqa: E402

from detplug.engine.checkpoint import load_file  # noqa: E402
from detplug.engine.history import read_history  # noqa: E402


def train(folder: Path, steps: int, workers: int) -> None:
    """Train to ``steps`` in ``folder``, resuming what is there."""
    torch.set_num_threads(1)  # a forked process has no OpenMP threads
    build(
        folder,
        resume=True,
        train_cfg__max_iters=steps,
        train_dataloader__num_workers=workers,
        train_dataloader__persistent_workers=True,
        param_scheduler__1__end=steps,
        param_scheduler__1__T_max=steps - 10,
        default_hooks__progress=None,
    ).train()


def rows(folder: Path) -> list[dict]:
    """Training rows of the history in ``folder``."""
    return [row for row in read_history(folder / 'work' / 'history.jsonl') if 'loss' in row]


def train_and_kill(folder: Path, steps: int, delay: float, wait_for: int) -> bool:
    """Start training, wait for ``wait_for`` new rows in the history and ``delay`` seconds, kill; False if it ended."""
    child = multiprocessing.get_context('fork').Process(target=train, args=(folder, steps, 2))
    child.start()
    seen: set[float] = {row['time'] for row in rows(folder)}  # a duration is as good as a name
    while wait_for and child.is_alive() and len({row['time'] for row in rows(folder)} - seen) < wait_for:
        time.sleep(0.01)
    child.join(delay)
    alive = child.is_alive()
    if alive:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return alive


def difference(one: dict, other: dict) -> float:
    """Largest absolute difference between tensors of two state dicts."""
    return max(float((one[name].double() - x.double()).abs().max()) for name, x in other.items() if x.numel())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--no-record', action='store_true', help='print the figures only')
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(args.seed)
    steps = 100 * args.kills  # a fast machine trains 70 steps between two kills
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ('whole', 'killed')]
        for folder in folders:
            folder.mkdir()
            write_images(folder)
        train(folders[0], steps, workers=0)
        kills = 0
        while kills < args.kills:
            wait_for = rng.choice((0, 1, 1, 5))
            if not train_and_kill(folders[1], steps, rng.uniform(0, 1.5), wait_for):
                raise SystemExit(f'the training ended after {kills} kills; give it more steps')
            kills += 1
            done = rows(folders[1])
            print(f'kill {kills}: at step {done[-1]["step"] if done else 0} of {steps}', flush=True)
        train(folders[1], steps, workers=2)
        figures = compare(*folders)
    figures = dict(kills=kills, **figures)
    print(figures) if args.no_record else record('crash_resume', figures, [args.seed])


def compare(whole: Path, killed: Path) -> dict[str, float]:
    """Largest difference of any loss or metric of any step, and of any final weight (raw, averaged, momentum)."""
    wanted, found = (read_history(folder / 'work' / 'history.jsonl') for folder in (whole, killed))
    assert [row['step'] for row in wanted] == [row['step'] for row in found], 'steps are missing or double'
    names = ('loss', 'loss_box', 'loss_number', 'lr', 'val/score')
    losses = [abs(a[name] - b[name]) for a, b in zip(wanted, found, strict=True) for name in names if name in a]
    one, other = (load_file(folder / 'work' / 'last.pth') for folder in (whole, killed))
    weights = [difference(one[part], other[part]) for part in ('state_dict', 'ema_state_dict')]
    states = (x['optimizer']['state'].values() for x in (one, other))
    momentum = [difference(a, b) for a, b in zip(*states, strict=True)]
    return dict(steps=wanted[-1]['step'], max_loss_diff=max(losses), max_weight_diff=max(weights + momentum))


if __name__ == '__main__':
    main()
