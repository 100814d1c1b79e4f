"""What a training step costs: the real one, the same on a preloaded batch, and the bare network.

real       : the training loop as users run it (loader, hooks, EMA, progress), from history.jsonl
preloaded  : train_step of the same model on one batch that is in memory
bare       : forward + backward + SGD of the network alone, on the same images (loss = mean of the raw outputs)

python benchmarks/train_step.py      (about 3 minutes; needs the BCCD data)
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from mmdet.registry import RUNNERS
from record import record

import detplug.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.engine.memory import keep_freed_memory

CONFIG = 'configs/yolov5/yolov5n_bccd.py'


def median_seconds(step, repeats: int) -> float:
    """Median seconds of ``step()`` after two warm-up calls."""
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def bare_step(model, images, optimizer):
    """Forward, backward and SGD of the network alone."""
    optimizer.zero_grad()
    outputs = model.bbox_head.raw_predictions(model.extract_feat(images))
    sum(x.mean() for x in outputs).backward()
    optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work_dir:
        measure(args.steps, Path(work_dir))


def measure(count: int, work_dir: Path) -> None:
    """Train ``count`` steps in ``work_dir``, then repeat the parts; writes the result."""
    config = load_config(CONFIG, [f'train_cfg.max_iters={count}', f'train_cfg.val_interval={count * 10}'])
    config.update(work_dir=str(work_dir), launcher='none', resume=False, load_from=None, randomness=dict(seed=0))
    runner = RUNNERS.get(config.runner_type).from_cfg(config)
    runner.train()
    rows = [json.loads(line) for line in (work_dir / 'history.jsonl').read_text().splitlines()]
    steps = [row for row in rows if 'data_time' in row][len(rows) // 4 :]
    real = statistics.median(row['time'] for row in steps)
    wait = statistics.median(row['data_time'] for row in steps)

    batch = next(iter(runner.train_dataloader))
    model = runner.model.train()
    wrapper = runner.optim_wrapper
    preloaded = median_seconds(lambda: model.train_step(batch, wrapper), count // 2)
    images = model.data_preprocessor(batch, training=True)['inputs']
    bare = median_seconds(lambda: bare_step(model, images, wrapper.optimizer), count // 2)
    record(
        'train_step',
        {
            'data_wait_share': wait / real,
            'overhead_ratio': real / preloaded,
            'loss_ratio': preloaded / bare,
            'real_seconds': real,
            'preloaded_seconds': preloaded,
            'bare_seconds': bare,
            'images_per_second': len(images) / real,
        },
        [0],
    )


if __name__ == '__main__':
    torch.set_num_threads(2)
    keep_freed_memory()
    main()
