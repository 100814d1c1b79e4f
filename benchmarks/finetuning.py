"""Fine-tune a config from the converted COCO checkpoint with several seeds, then test the best checkpoint of each.

Resumable: a training that was stopped continues, a finished one is not repeated. The checkpoint of a seed is the one
that is best on the validation split; the test splits are evaluated once, after all trainings.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / 'checkpoints' / 'yolov5n_coco.pth'


def run_tool(name: str, *words: str) -> None:
    """Run ``tools/NAME.py``; a failure ends the benchmark."""
    print('$', 'tools/' + name + '.py', *words, flush=True)
    environment = {'DETPLUG_DATA': str(ROOT.parent / 'shared' / 'data')} | dict(os.environ)
    subprocess.run((sys.executable, f'tools/{name}.py', *words), check=True, cwd=ROOT, env=environment)


def convert_weights(source: str) -> None:
    """Make ``checkpoints/yolov5n_coco.pth`` from the official file unless it is there."""
    if not WEIGHTS.exists():
        WEIGHTS.parent.mkdir(exist_ok=True)
        run_tool('convert_weights', 'yolov5', source, str(WEIGHTS))


def test_checkpoint(
    config: str, checkpoint: Path, folder: Path, options: list[str], split: str = 'test'
) -> dict[str, float]:
    """Metrics of ``checkpoint`` on a split of the config, also in ``folder``; ``options`` are --cfg-options."""
    out = folder / 'metrics.json'
    words = [config, str(checkpoint), '--split', split, '--out', str(out), '--work-dir', str(folder)]
    words += ['--results', str(folder / 'images.npz')]
    run_tool('test', *words, *(['--cfg-options', *options] if options else []))
    return json.loads((ROOT / out).read_text())


def measure(name: str, config: str, splits: dict[str, list[str]]) -> None:
    """Train ``config`` with every seed of the command line, test the best checkpoints, write results/NAME.json."""
    rows, seeds = fine_tune(name, config, splits)
    record(name, summary(rows), seeds)


def fine_tune(name: str, config: str, splits: dict[str, list[str]]) -> tuple[list[dict[str, float]], list[int]]:
    """Figures of each seed, those of a split with ``SPLIT_`` before the name, and the seeds.

    Args:
        splits: name of a test split -> the --cfg-options that select it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--weights', default='../shared/weights/yolov5n.pt', help='official checkpoint')
    parser.add_argument('--work-dir', default=f'work_dirs/benchmarks/{name}')
    args = parser.parse_args()
    convert_weights(args.weights)
    folders = {seed: Path(args.work_dir) / f'seed{seed}' for seed in args.seeds}
    for seed, folder in folders.items():
        if not (ROOT / folder / 'metrics.json').exists():
            run_tool('train', config, '--work-dir', str(folder), '--seed', str(seed), '--resume')
    rows = []
    for folder in folders.values():
        trained = json.loads((ROOT / folder / 'metrics.json').read_text())
        row = {'minutes': trained['minutes'], 'val_map': trained['map']}
        for split, options in splits.items():
            found = test_checkpoint(config, folder / 'best.pth', folder / split, options)
            row |= {f'{split}_{key}': value for key, value in found.items()}
        rows.append(row)
    return rows, args.seeds


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean over the seeds of every figure, and its sample standard deviation as ``NAME_std``."""
    figures = {}
    for key in sorted(set.intersection(*map(set, rows))):
        values = [row[key] for row in rows]
        figures[key] = statistics.mean(values)
        if len(values) > 1:
            figures[f'{key}_std'] = statistics.stdev(values)
    return figures
