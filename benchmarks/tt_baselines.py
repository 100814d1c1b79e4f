"""Tensor-Train against what a user would take instead: same data, steps and dense teacher, equal parameters or MACs.

METHODs at RATIO, the kept share of the dense detector's parameters (``_macs``: at most the MACs of ``tt_sensitivity``):
tt_SELECTION   chains, ranks by a selection; EVBMF is in evbmf.py; ``tt_joint``: sensitivity, fits parameters and half
               of the MACs; ``tt_measured_again``: sensitivity, measured again after half of the cut
narrow, sliced plain YOLOv5 of a smaller width, from scratch or from every n-th channel of the trained one
pruned         Torch-Pruning, group magnitude (requirements/benchmarks.txt), all layers together; ``pruned_layers``:
               the same share of each
larger         YOLOv5s by chains to the size of the others, see larger.py: what it starts from is in ``official_start``
blocks         compress --method block_influence; only where removing blocks reaches the ratio
dense          the dense detector with the same steps; ``_int8`` of dense and tt_sensitivity: their onnx-int8 bundles
Chains are distilled by neck and head, the others by the head alone: their necks have other widths.

DATA: bccd (3 cell types), bccd7, malaria; eggs: generated, 8 species, whose dense detector is trained from scratch;
coco: the 80 classes of coco_tiny with the official weights, **without any training**, on val: ``kept`` is val_map over
the dense one's. Chains keep what a cut leaves of a trained detector; channels that are sliced or pruned away need the
training that they do not get here, so that those rows say nothing about trained networks.

Rows of runs: results/tt_baselines_runs.jsonl. DATA.RATIO.METHOD.NAME: map (test, once; of int8 bundles val_map alone),
params, macs, bytes (int8 weights), ort_ms_THREADS, cycles (N = 8; absent where the accelerator cannot run it), means
over seeds. results/tt_baselines_bootstrap.json: mAP of tt_sensitivity less the best rival's, paired 95 % intervals
over images. Resumable: a run that has its row is not repeated, a training that was stopped continues; a run that fails
leaves a row with its error, and the next begins.

python benchmarks/tt_baselines.py [--data bccd] [--ratios 4x] [--methods narrow sliced tt_sensitivity] [--minutes 60]
python benchmarks/tt_baselines.py --smoke     (two steps of each method, nothing recorded)
"""

import argparse
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import larger
import tt_rivals
from finetuning import ROOT, WEIGHTS, convert_weights, run_tool, summary, test_checkpoint
from record import RESULTS, commit, record
from table_cells import read

from detplug.cli.config import load_config
from detplug.engine.history import read_history
from detplug.errors import UserError
from detplug.evaluation.compare import paired_bootstrap
from detplug.evaluation.results_file import load_results
from plugins.samples.parasites import generate

DATA = {
    'bccd': 'yolov5n_bccd',
    'eggs': 'yolov5n_parasite-samples',
    'bccd7': 'yolov5n_bccd7',
    'malaria': 'yolov5n_malaria',
    'coco': 'yolov5n_coco-tiny',
}
UNTRAINED = 'coco'
RATIOS = {'4x': 0.25, '2x': 0.5, '8x': 0.125, '1.25x': 0.8}
METHODS = (
    'dense', 'narrow', 'sliced', 'tt_sensitivity', 'pruned', 'sliced_macs', 'narrow_macs', 'pruned_macs',
    'pruned_layers', 'pruned_layers_macs', 'tt_joint', 'larger', 'larger_macs', 'tt_measured_again',
    'tt_water_filling', 'tt_imprinted_sensitivity', 'tt_lwiq', 'tt_evbmf', 'blocks', 'dense_int8',
    'tt_sensitivity_int8',
)  # fmt: skip
LARGER = ('larger', 'larger_macs')
# more seeds, ratios, data
FINALISTS = ('dense', 'sliced', 'tt_sensitivity', 'pruned_layers', 'sliced_macs', 'pruned_layers_macs')
STEPS = 600
FOLDER = Path('work_dirs/benchmarks/tt_baselines')
ROWS = RESULTS / 'tt_baselines_runs.jsonl'
Run = tuple[str, str, str, int]  # data, ratio, method, seed


def queue() -> Iterator[Run]:
    """All runs, what tells most first: 4x on BCCD with one seed, then the finalists' data, seeds and ratios."""
    runs = [('bccd', '4x', method, 0) for method in METHODS]
    runs += [('eggs', '4x', method, 0) for method in FINALISTS]
    runs += [(UNTRAINED, ratio, method, 0) for ratio in ('1.25x', '2x') for method in FINALISTS]
    runs += [('bccd', '4x', method, seed) for seed in (1, 2) for method in FINALISTS]
    runs += [('bccd', ratio, method, 0) for ratio in ('8x', '2x') for method in FINALISTS]
    runs += [
        (data, ratio, method, 0)
        for data in ('eggs', 'bccd7', 'malaria')
        for ratio in ('4x', '8x')
        for method in FINALISTS
    ]
    # the dense detector has no ratio
    return iter(dict.fromkeys((d, '1x' if m.startswith('dense') else r, m, s) for d, r, m, s in runs))


def trained(data: str, smoke: bool) -> Path:
    """Checkpoint of the dense detector of a data set."""
    convert_weights('../shared/weights/yolov5n.pt')
    if data == UNTRAINED:
        return WEIGHTS.relative_to(ROOT)
    if data == 'eggs':
        generate(ROOT / 'data' / 'parasite_samples')
    config, folder = f'configs/yolov5/{DATA[data]}.py', Path(f'work_dirs/benchmarks/yolov5_{data}/seed0')
    options = []
    if smoke:
        folder, options = FOLDER / 'smoke' / data / 'dense-start', ['--cfg-options', *schedule(2)]
    if not (ROOT / folder / 'metrics.json').exists():
        run_tool('train', config, '--work-dir', str(folder), '--seed', '0', '--resume', *options)
    return folder / 'best.pth'


def schedule(steps: int) -> list[str]:
    """--cfg-options of a fine-tuning of so many steps."""
    warm_up = min(50, steps // 2)
    options = [f'train_cfg.max_iters={steps}', f'param_scheduler.0.end={warm_up}', f'param_scheduler.1.begin={warm_up}']
    options += [f'param_scheduler.1.end={steps}', f'param_scheduler.1.T_max={steps - warm_up}']
    return options if steps > 50 else [*options, f'train_cfg.val_interval={steps}', 'train_dataloader.batch_size=2']


def figures_of(run: Run, smoke: bool) -> dict[str, float]:
    """Make the small detector, train it beside the dense one, test and measure it."""
    data, ratio, method, seed = run
    dense = f'configs/yolov5/{DATA[data]}.py', trained(data, smoke)
    root = FOLDER / ('smoke' if smoke else 'runs') / data
    if method.endswith('_int8'):
        source = method.removesuffix('_int8')
        config = root / ratio / source / 'start' / 'distill.py'
        return tt_rivals.int8_figures(config, root / ratio / source / f'seed{seed}' / 'best.pth', root / ratio / method)
    if method in LARGER:
        config = larger.make(method, RATIOS[ratio], dense, root / ratio, schedule(2) if smoke else [])
    else:
        config = tt_rivals.make(method, RATIOS.get(ratio, 1.0), dense, root / ratio)
    if data == UNTRAINED:
        return untrained(config, root / ratio / method)
    folder = root / ratio / method / f'seed{seed}'
    if not (ROOT / folder / 'metrics.json').exists():
        options = ['--cfg-options', *schedule(2 if smoke else STEPS)]
        run_tool('train', str(config), '--work-dir', str(folder), '--seed', str(seed), '--resume', *options)
    best, row = folder / 'best.pth', json.loads((ROOT / folder / 'metrics.json').read_text())
    tested = test_checkpoint(str(config), best, folder / 'test', [])
    sizes = tt_rivals.sizes(config, best, root / ratio / method / 'onnx')
    start = larger.start_of(root) if method in LARGER else {}
    return {'val_map': row['map'], 'minutes': row['minutes']} | start | tested | sizes


def untrained(config: Path, folder: Path) -> dict[str, float]:
    """A small detector as it begins, on val; ``kept`` where the dense one has its row."""
    weights = Path(load_config(ROOT / config).load_from)
    tested = test_checkpoint(str(config), weights, folder / 'val', [], 'val')
    figures = {f'val_{name}': value for name, value in tested.items() if '/' not in name}  # not each of 80 classes
    dense = known_rows().get((UNTRAINED, '1x', 'dense', 0), {}).get('val_map')
    kept = {'kept': figures['val_map'] / dense} if dense else {}
    return figures | kept | tt_rivals.sizes(config, weights, folder / 'onnx')


def attempt(run: Run, smoke: bool) -> dict:
    """``figures`` of a run, and the error of one that fails: it does not end the queue."""
    try:
        return dict(figures=figures_of(run, smoke))
    except (UserError, subprocess.CalledProcessError) as error:
        print(f'{run}: {error}', flush=True)
        return dict(figures={}, error=str(error))


def known_rows() -> dict[Run, dict]:
    """The figures of the runs that are done."""
    rows = read_history(ROWS)
    return {(x['data'], x['ratio'], x['method'], x['seed']): x['figures'] for x in rows}


def summarise() -> None:
    """Write results/tt_baselines.json and tt_baselines_bootstrap.json from the rows."""
    rows = {run: figures for run, figures in known_rows().items() if figures}
    groups = {
        key: [own for run, own in rows.items() if run[:3] == key] for key in dict.fromkeys(run[:3] for run in rows)
    }
    figures = {}
    for key, own in groups.items():
        name = '.'.join(key)
        figures |= {f'{name}.{x}': value for x, value in summary(own).items()} | {f'{name}.seeds': len(own)}
    seeds = sorted({run[3] for run in rows})
    record('tt_baselines', figures, seeds, 'python benchmarks/tt_baselines.py')
    found, before = differences(rows), read('tt_baselines_bootstrap').get('figures', {})
    again = {name.rpartition('.')[0] for name in found}
    kept = {name: x for name, x in before.items() if name.rpartition('.')[0] not in again}  # their boxes are gone
    record('tt_baselines_bootstrap', kept | found, seeds, 'python benchmarks/tt_baselines.py')


def differences(rows: dict[Run, dict]) -> dict[str, float]:
    """DATA.RATIO.params|macs.NAME: chains less the rival of equal parameters, or MACs, that is best on val; seed 0."""
    figures = {}
    for data, ratio in dict.fromkeys(run[:2] for run in rows if run[1] in RATIOS):
        for kind, end in (('params', ''), ('macs', '_macs')):
            rivals = [name + end for name in ('narrow', 'sliced', 'pruned', 'pruned_layers')] + ['blocks'] * (not end)
            runs = {name: rows[data, ratio, name, 0] for name in rivals if (data, ratio, name, 0) in rows}
            if not runs or (data, ratio, 'tt_sensitivity', 0) not in rows:
                continue
            best = max(runs, key=lambda name: runs[name]['val_map'])
            files = [
                ROOT / FOLDER / 'runs' / data / ratio / x / 'seed0/test/images.npz' for x in (best, 'tt_sensitivity')
            ]
            if all(file.exists() for file in files):
                (first, classes), (second, _) = map(load_results, files)
                values = paired_bootstrap(first, second, classes)['all']
                names = (f'{data}.{ratio}.{kind}.over_{best}{x}' for x in ('', '_low', '_high'))
                figures |= dict(zip(names, values, strict=True))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', nargs='+', choices=DATA, default=tuple(DATA))
    parser.add_argument('--ratios', nargs='+', choices=('1x', *RATIOS), default=('1x', *RATIOS))
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=METHODS)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many')
    parser.add_argument('--smoke', action='store_true', help='two steps of each method at 4x, nothing recorded')
    args = parser.parse_args()
    os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))
    paths = (str(Path(__file__).resolve().parent), os.environ.get('PYTHONPATH'))
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))  # configs of the rivals import narrow and evbmf
    asked = itertools.product(args.data, args.ratios, args.methods, args.seeds)
    runs, began = set(asked), time.monotonic()
    for run in queue():
        if (
            run not in runs
            or (args.smoke and (run[0], run[3]) != ('bccd', 0))
            or time.monotonic() - began > 60 * args.minutes
        ):
            continue
        if args.smoke and run[1] in ('1x', '4x'):
            print(run, json.dumps(attempt(run, smoke=True)), flush=True)
        elif not args.smoke and run not in known_rows():
            row = dict(zip(('data', 'ratio', 'method', 'seed'), run, strict=True), commit=commit())
            row |= attempt(run, smoke=False)
            with ROWS.open('a') as file:
                file.write(json.dumps(row) + '\n')
    if not args.smoke and ROWS.exists():
        summarise()


if __name__ == '__main__':
    main()
