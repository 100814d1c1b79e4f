"""``demo``: the whole job on generated sample slides: train, evaluate, name what is unknown, predict, export, compress,
int8, FPGA."""

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    from detplug.cli import compress, export, predict, test, train
    from detplug.cli.main import plugin_command
    from detplug.config_files import configs_folder
    from detplug.extras import FPGA
    from plugins.samples.parasites import generate

CONFIG = str(configs_folder() / 'tt_yolov5' / 'yolov5n_parasite-samples.py')
DATA = Path(os.environ.get('DETPLUG_DATA', 'data')) / 'parasite_samples'  # where the config reads them
BUDGET = '0.25'  # of the parameters
STEPS = 200  # of fine-tuning after compression
# known eggs an image, and share of those of a species, that may be named unknown on val
FALSE_ALARMS = ('--budget', '0.3', '--class-share', '0.25')


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
    lacking = _lacking_for_fpga()
    has_fpga = not lacking
    step = _steps(console, 10 if has_fpga else 9)
    if lacking:
        print(f'without the last step, int8 for an FPGA: it needs {lacking}')  # rich would eat [fpga]

    step('sample slides')
    generate(DATA)
    step('train')
    train.main([CONFIG, '--work-dir', str(root / 'train'), '--seed', str(args.seed), *options])
    best = str(root / 'train' / 'best.pth')
    step('evaluate on the test split')
    evaluate(CONFIG, best, root / 'test', *args.cfg_options)
    step('name unknown what looks like no species of the training')
    plugin_command(['add-unknown', CONFIG, best, '--out', str(root / 'unknown'), *FALSE_ALARMS])
    unknown = [str(root / 'unknown' / name) for name in ('config.py', 'checkpoint.pth')]
    evaluate(*unknown, root / 'unknown-test')
    step('predict')
    predict.main([*unknown, *_test_images(4), '--out', str(root / 'predictions'), '--overwrite'])
    step('export to ONNX')
    export.main([CONFIG, best, '--format', 'onnx', '--out', str(root / 'onnx')])
    compress_and_export(root, best, step, has_fpga)

    figures = metrics_in(root / 'test')
    minutes = (time.monotonic() - began) / 60
    figures['small_map50'] = metrics_in(root / 'small-test')['map50']
    figures |= {f'open_{name}': value for name, value in metrics_in(root / 'unknown-test').items()}
    (root / 'demo.json').write_text(json.dumps(dict(minutes=minutes, **figures), indent=2) + '\n')
    console.print(_summary(root, figures, minutes))
    return 0


def evaluate(config: str, checkpoint: str, folder: Path, *options: str) -> None:
    """Evaluate on the test split; ``folder`` gets metrics.json and the report."""
    words = [config, checkpoint, '--work-dir', str(folder), '--out', str(folder / 'metrics.json')]
    test.main([*words, *(['--cfg-options', *options] if options else [])])


def metrics_in(folder: Path) -> dict[str, float]:
    """What :func:`evaluate` wrote."""
    return json.loads((folder / 'metrics.json').read_text())


def compress_and_export(root: Path, best: str, step: Callable[[str], None], has_fpga: bool) -> None:
    """A 4x smaller detector, fine-tuned for a short while, as int8 ONNX and, with [fpga], as a bundle for an FPGA."""
    step('compress 4x by Tensor-Train layers, with ReLU for hardware')
    small = root / 'small'
    ranks = ['--budget', BUDGET, '--ranks', 'water_filling', '--rank-multiple', '8', '--relu']
    compress.main([CONFIG, best, *ranks, '--out', str(small)])
    step('fine-tune the small detector beside the large one')
    schedule = [
        f'train_cfg.max_iters={STEPS}',
        f'param_scheduler.1.end={STEPS}',
        f'param_scheduler.1.T_max={STEPS - 50}',
    ]
    train.main([str(small / 'distill.py'), '--work-dir', str(root / 'tuned'), '--cfg-options', *schedule])
    tuned = str(root / 'tuned' / 'last.pth')
    config = str(small / 'config.py')
    evaluate(config, tuned, root / 'small-test')
    step('export the small detector to int8 ONNX')
    export.main([config, tuned, '--format', 'onnx-int8', '--out', str(root / 'onnx-int8')])
    if not has_fpga:
        return
    step('int8 with power-of-two scales, and the FPGA bundle, compared with its Verilog')
    compress.main([config, tuned, '--method', 'fpga', '--out', str(root / 'int8')])
    int8 = [str(root / 'int8' / name) for name in ('config.py', 'compressed.pth')]
    export.main([*int8, '--format', 'fpga', '--img-size', '160', '--out', str(root / 'fpga')])


def _lacking_for_fpga() -> str:
    """What the last step needs and does not find; '' when all is there."""
    if not all(find_spec(name) for name in FPGA):
        return "pip install 'detplug[fpga]'"
    return '' if shutil.which('g++') else 'g++, a C++ compiler, which simulates the hardware'


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


def _steps(console: Console, total: int) -> Callable[[str], None]:
    numbers = iter(range(1, total + 1))
    return lambda title: console.rule(f'[bold]{next(numbers)}/{total} {title}', align='left')


def _summary(root: Path, figures: dict, minutes: float) -> Table:
    table = Table(title='detplug demo', show_header=False)
    table.add_row('mAP50 on the test split', f'{figures["map50"]:.3f}')
    table.add_row('mAP on the test split', f'{figures["map"]:.3f}')
    table.add_row('mAP50, 4x smaller', f'{figures["small_map50"]:.3f}')
    eggs, misnamed = figures['open_unknown_objects'], figures['unknown_misnamed']
    table.add_row(f'{eggs} eggs of unknown species', f'{misnamed} were called by a known name')
    now = f'{figures["open_unknown_named"]} are named unknown, {figures["open_unknown_misnamed"]} by a known name'
    table.add_row('after add-unknown', now)
    lost = f'{figures["open_known_lost"]} of {figures["open_known_objects"]} known eggs are named unknown'
    table.add_row('what it costs', lost)
    table.add_row('minutes', f'{minutes:.1f}')
    table.add_row('report of the training', str(root / 'train' / 'report.html'))
    table.add_row('report of the test', str(root / 'test' / 'report.html'))
    table.add_row('pictures', str(root / 'predictions' / 'pictures'))
    table.add_row('ONNX', str(root / 'onnx' / 'model.onnx'))
    table.add_row('ONNX, int8, 4x smaller', str(root / 'onnx-int8' / 'model.onnx'))
    if (root / 'fpga').exists():
        table.add_row('FPGA bundle', str(root / 'fpga' / 'README.md'))
    return table
