"""BCCD, 3 classes: YOLOv5n compressed 2x, 4x and 8x with every rank selection, fine-tuned beside its dense form.

The dense detector of benchmarks/yolov5_bccd.py, seed 0, is compressed and fine-tuned with distillation; the dense one
gets the same steps. Dense, LWIQ and sensitivity with all seeds, other selections with the first; sensitivity also at
12x, where it has the MACs that LWIQ has at 4x. The checkpoint is the one that is best on val_clean; each run's
test_clean is evaluated once. ``loss`` is dense less compressed of the same seed, ``loss_low`` and ``loss_high`` the
middle 95 % of a paired bootstrap over images.

Resumable: a run that has its row in results/tt_bccd_runs.jsonl is not repeated.

python benchmarks/tt_bccd.py
python benchmarks/tt_bccd.py --ratios 4x --selections lwiq --seeds 0 --no-test     (to choose on val)
"""

import argparse
import itertools
import json
from pathlib import Path

from finetuning import ROOT, convert_weights, run_tool, summary, test_checkpoint
from record import RESULTS, commit, record

from detplug.engine.history import read_history
from detplug.evaluation.compare import paired_bootstrap
from detplug.evaluation.results_file import load_results
from plugins.tensor_train.report import accuracy_figure

CONFIG = 'configs/yolov5/yolov5n_bccd.py'
START = Path('work_dirs/benchmarks/yolov5_bccd/seed0')
RATIOS = {'2x': 0.5, '4x': 0.25, '8x': 0.125}  # kept share of the parameters
SHARES = RATIOS | {'12x': 1 / 12}
SELECTIONS = ('sensitivity', 'lwiq', 'water_filling', 'activation_energy', 'energy', 'uniform')
STEPS = 600  # of fine-tuning, 16 images each
ALL_SEEDS = ('dense', 'lwiq', 'sensitivity')
FOLDER = Path('work_dirs/benchmarks/tt_bccd')
SCHEDULE = [
    f'train_cfg.max_iters={STEPS}',
    f'param_scheduler.1.end={STEPS}',
    f'param_scheduler.1.T_max={STEPS - 50}',  # after the warm-up
]


def start() -> Path:
    """Checkpoint of the trained dense detector."""
    convert_weights('../shared/weights/yolov5n.pt')
    if not (ROOT / START / 'metrics.json').exists():
        run_tool('train', CONFIG, '--work-dir', str(START), '--seed', '0', '--resume')
    return START / 'best.pth'


def compressed(ratio: str, selection: str) -> Path:
    """Folder of the compressed detector, made unless it is there."""
    folder = FOLDER / 'compressed' / f'{ratio}-{selection}'
    if not (ROOT / folder / 'compressed.pth').exists():
        words = ['--budget', str(SHARES[ratio]), '--ranks', selection, '--out', str(folder)]
        run_tool('compress', CONFIG, str(start()), *words)
    return folder


def setting(ratio: str, selection: str) -> tuple[str, list[str], dict[str, float]]:
    """(config, --cfg-options, sizes) of the fine-tuning of the dense detector (ratio 'dense') or a compressed one."""
    dense = ratio == 'dense'
    made = compressed('2x', 'uniform') if dense else compressed(ratio, selection)
    facts = json.loads((ROOT / made / 'manifest.json').read_text())
    sizes = {kind: facts[f'{kind} {"before" if dense else "after"}'] for kind in ('params', 'macs')}
    return (CONFIG, [f'load_from={start()}'], sizes) if dense else (str(made / 'distill.py'), [], sizes)


def run(ratio: str, selection: str, seed: int, options: list[str], with_test: bool) -> dict[str, float]:
    """Fine-tune and evaluate; the figures of one run."""
    config, needed, sizes = setting(ratio, selection)
    folder = FOLDER / '-'.join([ratio, selection, *options]).replace('/', '_') / f'seed{seed}'
    if not (ROOT / folder / 'metrics.json').exists():
        options = [*SCHEDULE, *needed, *options]
        run_tool('train', config, '--work-dir', str(folder), '--seed', str(seed), '--resume', '--cfg-options', *options)
    trained = json.loads((ROOT / folder / 'metrics.json').read_text())
    row = {'val_map': trained['map'], 'minutes': trained['minutes']} | sizes
    if with_test:
        row |= test_checkpoint(config, folder / 'best.pth', folder / 'test', [])
        row |= losses(ROOT / FOLDER / 'dense-dense' / f'seed{seed}' / 'test', ROOT / folder / 'test')
    return row


def losses(dense: Path, compressed: Path) -> dict[str, float]:
    """mAP that the images in ``compressed`` lose against the dense one, with interval; empty without either."""
    files = [folder / 'images.npz' for folder in (compressed, dense)]
    if dense == compressed or not all(file.exists() for file in files):
        return {}
    (first, classes), (second, _) = map(load_results, files)
    return dict(zip(('loss', 'loss_low', 'loss_high'), paired_bootstrap(first, second, classes)['all'], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ratios', nargs='+', choices=('dense', *SHARES), default=('dense', *SHARES))
    parser.add_argument('--selections', nargs='+', choices=SELECTIONS, default=SELECTIONS)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--cfg-options', nargs='*', default=[], help='tried on val; needs --no-test')
    parser.add_argument('--no-test', action='store_true', help='print val figures, record nothing')
    args = parser.parse_args()
    runs = [('dense', 'dense')] if 'dense' in args.ratios else []
    runs += [x for x in itertools.product(SHARES, args.selections) if x[0] in args.ratios and wanted(*x)]
    path = RESULTS / 'tt_bccd_runs.jsonl'
    for seed, (ratio, selection) in itertools.product(args.seeds, runs):
        if selection not in ALL_SEEDS and seed != args.seeds[0]:
            continue
        key = dict(ratio=ratio, selection=selection, seed=seed)
        if args.no_test:
            print(key, run(ratio, selection, seed, args.cfg_options, with_test=False), flush=True)
        elif not any(all(row[name] == value for name, value in key.items()) for row in read_history(path)):
            row = key | dict(commit=commit(), figures=run(ratio, selection, seed, [], with_test=True))
            with path.open('a') as file:
                file.write(json.dumps(row) + '\n')
    if not args.no_test:
        figures = figures_of(read_history(path))
        seeds = sorted({row['seed'] for row in read_history(path)})
        record('tt_bccd', figures, seeds, 'python benchmarks/tt_bccd.py')
        draw(figures)


def wanted(ratio: str, selection: str) -> bool:
    """Whether this is one of the runs: 12x is there for sensitivity alone."""
    return ratio in RATIOS or selection == 'sensitivity'


def figures_of(rows: list[dict]) -> dict[str, float]:
    """dense.NAME and RATIO.SELECTION.NAME, mean and spread over the seeds, and how many seeds there are."""
    figures: dict[str, float] = {}
    for ratio, selection in (('dense', 'dense'), *itertools.product(SHARES, SELECTIONS)):
        mine = [row['figures'] for row in rows if (row['ratio'], row['selection']) == (ratio, selection)]
        name = ratio if ratio == 'dense' else f'{ratio}.{selection}'
        if mine:
            figures |= {f'{name}.{key}': value for key, value in summary(mine).items()} | {f'{name}.seeds': len(mine)}
    return figures


def draw(figures: dict[str, float]) -> None:
    """docs/tt_bccd.png: accuracy against size."""
    points: dict[str, list[tuple[float, ...]]] = {}
    for ratio, selection in itertools.product(SHARES, SELECTIONS):
        if f'{ratio}.{selection}.map' in figures:
            points.setdefault(selection, []).append(point(figures, f'{ratio}.{selection}'))
    if points and 'dense.map' in figures:
        curve = accuracy_figure(points, point(figures, 'dense'), 'mAP, BCCD test_clean')
        curve.savefig(ROOT / 'docs' / 'tt_bccd.png', dpi=120)


def point(figures: dict[str, float], name: str) -> tuple[float, ...]:
    """(parameters, MACs, mAP) of one run's figures."""
    return tuple(figures[f'{name}.{key}'] for key in ('params', 'macs', 'map'))


if __name__ == '__main__':
    main()
