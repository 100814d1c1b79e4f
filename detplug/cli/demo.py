"""``demo``: the whole job on generated sample slides: train, evaluate, predict pictures, export, report."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    from detplug.cli import export, predict, test, train
    from detplug.samples.parasites import generate

CONFIG = 'configs/yolov5/yolov5n_parasite-samples.py'
DATA = 'data/parasite_samples'


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step and print where the results are; returns the exit status."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/demo')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='for train and test')
    args = parser.parse_args(argv)
    began = time.monotonic()
    root = free_folder(Path(args.work_dir))
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    console = Console()
    step = _steps(console, 5)

    step('sample slides')
    generate(DATA)
    step('train')
    train.main([CONFIG, '--work-dir', str(root / 'train'), '--seed', str(args.seed), *options])
    best = str(root / 'train' / 'best.pth')
    step('evaluate on the test split')
    test.main([CONFIG, best, '--work-dir', str(root / 'test'), '--out', str(root / 'test' / 'metrics.json'), *options])
    step('predict')
    predict.main([CONFIG, best, *_test_images(4), '--out', str(root / 'pictures')])
    step('export')
    export.main([CONFIG, best, '--format', 'onnx', '--out', str(root / 'onnx')])

    figures = json.loads((root / 'test' / 'metrics.json').read_text())
    minutes = (time.monotonic() - began) / 60
    (root / 'demo.json').write_text(json.dumps(dict(minutes=minutes, **figures), indent=2) + '\n')
    console.print(_summary(root, figures, minutes))
    return 0


def free_folder(root: Path) -> Path:
    """``root``, or the first ``root-2``, ``root-3``, ... that does not exist: a demo never overwrites another."""
    candidate, number = root, 1
    while candidate.exists():
        number += 1
        candidate = root.with_name(f'{root.name}-{number}')
    return candidate


def _test_images(count: int) -> list[str]:
    annotations = json.loads(Path(DATA, 'annotations', 'test.json').read_text())
    return [str(Path(DATA, 'images', image['file_name'])) for image in annotations['images'][:count]]


def _steps(console: Console, total: int):
    numbers = iter(range(1, total + 1))
    return lambda title: console.rule(f'[bold]{next(numbers)}/{total} {title}', align='left')


def _summary(root: Path, figures: dict, minutes: float) -> Table:
    table = Table(title='detplug demo', show_header=False)
    table.add_row('mAP50 on the test split', f'{figures["map50"]:.3f}')
    table.add_row('mAP on the test split', f'{figures["map"]:.3f}')
    table.add_row('minutes', f'{minutes:.1f}')
    table.add_row('report of the training', str(root / 'train' / 'report.html'))
    table.add_row('report of the test', str(root / 'test' / 'report.html'))
    table.add_row('pictures', str(root / 'pictures'))
    table.add_row('ONNX', str(root / 'onnx' / 'model.onnx'))
    return table
