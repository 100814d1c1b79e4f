"""The seven modes of configs/openset on malaria or bccd7, the same images, steps and batch, several seeds; on malaria
also two modes of Faster R-CNN and mmdet's SoftTeacher, with the first seed.

Resumable: a training that was stopped continues, a run that has its row in results/openset_SET_runs.jsonl is not
repeated. The checkpoint is the one that is best on val; all modes have the thresholds of the config, by one rule. Each
run's test split is evaluated once, and its row keeps the last rows of the run's openset.jsonl. Where the closed run of
the seed is still there, a row holds what the mode gains over it, with the paired bootstrap's interval, for classes of
at least 20 test boxes: gain/CLASS, gain_low, gain_high.

python benchmarks/openset_modes.py malaria
python benchmarks/openset_modes.py bccd7 --modes closed oodfc_cce --seeds 0 --no-test     (to tune on val)
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from finetuning import ROOT, convert_weights, run_tool, summary, test_checkpoint
from record import RESULTS, commit, record

from detplug.engine.history import read_history
from detplug.evaluation.compare import paired_bootstrap
from detplug.evaluation.results_file import load_results

MODES = ('closed', 'oodfc_cce', 'supervised', 'cce', 'oodfc', 'filter', 'oracle')
# malaria, one seed: name -> (config, --cfg-options)
OTHERS = {
    'frcnn_closed': ('faster-rcnn_yolov5n_malaria', ['model.mode=closed']),
    'frcnn_oodfc_cce': ('faster-rcnn_yolov5n_malaria', ['model.mode=oodfc_cce']),
    'soft_teacher': ('soft-teacher_malaria', []),
}
LAST_ROWS = 2  # of openset.jsonl, 50 steps each


def setting(name: str, mode: str) -> tuple[str, list[str]]:
    """(config, --cfg-options) of a mode."""
    config, options = OTHERS.get(mode, (f'yolov5n_{name}', [f'model.mode={mode}']))
    return f'configs/openset/{config}.py', list(options)


def folder_of(name: str, mode: str, seed: int, tried: Sequence[str] = ()) -> Path:
    """Of one run, below the root of the repository."""
    return Path('work_dirs/benchmarks/openset') / name / '-'.join([mode, *tried]).replace('/', '_') / f'seed{seed}'


def run(name: str, mode: str, seed: int, tried: Sequence[str] = (), with_test: bool = True) -> dict[str, float]:
    """Train and evaluate one run; its figures, those of val with ``val_`` before the name.

    Args:
        tried: further --cfg-options.
    """
    config, options = setting(name, mode)
    options = [*options, *tried]
    folder = folder_of(name, mode, seed, tried)
    if not (ROOT / folder / 'metrics.json').exists():
        words = ['--cfg-options', *options] if options else []
        run_tool('train', config, '--work-dir', str(folder), '--seed', str(seed), '--resume', *words)
    trained = json.loads((ROOT / folder / 'metrics.json').read_text())
    row = {f'val_{key}': value for key, value in trained.items() if key not in ('minutes', 'step')}
    row['minutes'] = trained['minutes']
    if with_test:
        row |= test_checkpoint(config, folder / 'best.pth', folder / 'test', options)
        row |= gains(ROOT / folder_of(name, 'closed', seed) / 'test', ROOT / folder / 'test')
    return row


def last_rows(folder: Path) -> list[dict[str, float]]:
    """The end of the run's openset.jsonl: pseudo-labels, thresholds and what the hidden labels say; [] without one."""
    return read_history(folder / 'openset.jsonl')[-LAST_ROWS:]


def gains(closed: Path, open_set: Path) -> dict[str, float]:
    """What the images in folder ``open_set`` gain over those of mode closed; empty where either is missing."""
    files = [folder / 'images.npz' for folder in (closed, open_set)]
    if closed == open_set or not all(file.exists() for file in files):
        return {}
    (first, classes), (second, _) = map(load_results, files)
    found = paired_bootstrap(first, second, classes)
    kinds = ('gain', 'gain_low', 'gain_high')
    return {f'{kind}/{name}': values[k] for name, values in found.items() for k, kind in enumerate(kinds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('set', choices=('malaria', 'bccd7'))
    parser.add_argument('--modes', nargs='+', choices=(*MODES, *OTHERS), default=(*MODES, *OTHERS))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--cfg-options', nargs='*', default=[], help='tried on val; needs --no-test')
    parser.add_argument('--no-test', action='store_true', help='print val figures, record nothing')
    parser.add_argument('--weights', default='../shared/weights/yolov5n.pt', help='official checkpoint')
    args = parser.parse_args()
    convert_weights(args.weights)
    path = RESULTS / f'openset_{args.set}_runs.jsonl'
    for seed, mode in itertools.product(args.seeds, args.modes):
        if mode in OTHERS and (args.set != 'malaria' or seed != args.seeds[0]):
            continue
        if args.no_test:
            row = run(args.set, mode, seed, args.cfg_options, with_test=False)
            print(mode, seed, *args.cfg_options, json.dumps(row), flush=True)
        elif not any(row['mode'] == mode and row['seed'] == seed for row in read_history(path)):
            row = dict(mode=mode, seed=seed, commit=commit(), figures=run(args.set, mode, seed))
            row['openset'] = last_rows(ROOT / folder_of(args.set, mode, seed))
            with path.open('a') as file:
                file.write(json.dumps(row) + '\n')
    if not args.no_test:
        rows, figures = read_history(path), {}
        for mode in (*MODES, *OTHERS):
            mine = [row['figures'] for row in rows if row['mode'] == mode]
            if mine:
                figures |= {f'{mode}.{renamed(key)}': value for key, value in summary(mine).items()}
        record(f'openset_{args.set}', figures, sorted({row['seed'] for row in rows}))


def renamed(key: str) -> str:
    """Names of the result file: known_map for map, CLASS_ap for ap/CLASS."""
    name, dash, std = key.partition('_std') if key.endswith('_std') else (key, '', '')
    name = {'map': 'known_map', 'map50': 'known_map50'}.get(name, name)
    kind, slash, rest = name.partition('/')
    if slash:
        name = f'{rest.replace(" ", "_")}_{kind}'
    return name + dash + std


if __name__ == '__main__':
    main()
