"""BCCD, YOLOv5n, dense and 4x smaller: float, int8 after calibration, int8 after fine-tuning.

float       SiLU: the dense and the 4x detector of benchmarks/tt_bccd.py (sensitivity), trained in the same steps; ReLU:
            trained from the converted COCO checkpoint, 4x by water filling in multiples of 16
ptq         int8 with power-of-two scales, one a channel, calibrated on training images, nothing trained; SiLU by tables
ptq_tensor  the same with one scale a kernel
qat         ptq, fine-tuned quantisation-aware; the small one beside the dense detector, as in float
tt4x runs as chains of convolutions, tt4x_rebuild with the kernels that the accelerator rebuilds from int8 cores.

mAP on test_clean, once, of the checkpoint that is best on val_clean. ``loss`` is the same seed's float mAP less that of
a row, ``end_to_end`` the dense float's less it. Resumable: a run that has its row in
results/fpga_accuracy_runs.jsonl is not repeated, a training that was stopped goes on.

python benchmarks/fpga_accuracy.py [--activation silu] [--seeds 0 1 2] [--kinds float ptq]
python benchmarks/fpga_accuracy.py --data coco_tiny     (official weights, nothing trained: results/fpga_ptq_coco)
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import tt_bccd
from finetuning import ROOT, WEIGHTS, convert_weights, run_tool, summary, test_checkpoint
from record import RESULTS, commit, record
from tt_bccd import SCHEDULE

from detplug.engine.history import read_history

CONFIG = 'configs/tt_yolov5/yolov5n-relu_bccd.py'
COCO = 'configs/yolov5/yolov5n_coco-tiny.py'
FOLDER = Path('work_dirs/benchmarks/fpga_accuracy')
RANKS = ('--ranks', 'water_filling', '--rank-multiple', '16')
ACTIVATIONS = ('silu', 'relu')
KINDS = ('float', 'ptq', 'ptq_tensor', 'qat')
SCALES = {'ptq': 'channel', 'ptq_tensor': 'tensor'}
VARIANTS = {'dense': ('dense', []), 'tt4x': ('tt4x', []), 'tt4x_rebuild': ('tt4x', ['--form', 'rebuild'])}
Detector = tuple[str, Path]  # config, checkpoint


def train(config: str, folder: Path, options: Sequence[str] = (), seed: int = 0) -> Path:
    """Train unless it is done; the best checkpoint."""
    if not (ROOT / folder / 'metrics.json').exists():
        words = ['--cfg-options', *options] if options else []
        run_tool('train', config, '--work-dir', str(folder), '--seed', str(seed), '--resume', *words)
    return folder / 'best.pth'


def compress(config: str, checkpoint: Path, folder: Path, *words: str) -> Path:
    """Folder of the compressed or quantised detector, made unless it is there."""
    if not (ROOT / folder / 'compressed.pth').exists():
        run_tool('compress', config, str(checkpoint), '--out', str(folder), *words)
    return folder


def folder_of(activation: str, seed: int) -> Path:
    """Of all that is made of one float detector; seed 0 with ReLU is where other benchmarks look for it."""
    return FOLDER if (activation, seed) == ('relu', 0) else FOLDER / f'{activation}-seed{seed}'


def trained_dense(seed: int = 0) -> Path:
    """Checkpoint of the dense float detector with ReLU."""
    convert_weights('../shared/weights/yolov5n.pt')
    return train(CONFIG, folder_of('relu', seed) / 'dense', seed=seed)


def float_detector(activation: str, size: str, seed: int) -> Detector:
    """The detector ``size``, dense or tt4x, trained."""
    if activation == 'silu':
        ratio, selection = ('dense', 'dense') if size == 'dense' else ('4x', 'sensitivity')
        tt_bccd.run(ratio, selection, seed, [], with_test=False)
        config = tt_bccd.setting(ratio, selection)[0]
        return config, tt_bccd.FOLDER / f'{ratio}-{selection}' / f'seed{seed}' / 'best.pth'
    dense, folder = trained_dense(seed), folder_of(activation, seed)
    if size == 'dense':
        return CONFIG, dense
    small = str(compress(CONFIG, dense, folder / 'tt4x-start', '--budget', '0.25', *RANKS) / 'distill.py')
    return small, train(small, folder / 'tt4x', SCHEDULE, seed)


def detector(activation: str, variant: str, kind: str, seed: int) -> Detector:
    """One detector in one kind of number."""
    size, words = VARIANTS[variant]
    config, checkpoint = float_detector(activation, size, seed)
    if kind == 'float':
        return config, checkpoint
    folder, scales = folder_of(activation, seed), SCALES.get(kind, 'channel')
    name = f'{variant}-int8' + ('-tensor' if scales == 'tensor' else '')
    made = compress(config, checkpoint, folder / name, '--method', 'fpga', '--scales', scales, *words)
    config = str(made / 'config.py')
    if kind == 'qat':
        return config, train(config, folder / f'{variant}-qat', seed=seed)
    return config, made / 'compressed.pth'


def runs(
    activations: Sequence[str], kinds: Sequence[str], variants: Sequence[str] = tuple(VARIANTS)
) -> list[tuple[str, str, str]]:
    """(activation, variant, kind); in float there is one tt4x."""
    every = itertools.product(activations, variants, kinds)
    return [run for run in every if run[1:] != ('tt4x_rebuild', 'float')]


def key_of(run: tuple[str, str, str]) -> str:
    """Of a run among the figures."""
    return '.'.join(run)


def val_figures(chosen: Sequence[tuple[str, str, str]], seed: int) -> dict[str, float]:
    """mAP of each run on val_clean; nothing is recorded."""
    figures = {}
    for run in chosen:
        config, checkpoint = detector(*run, seed)
        out = FOLDER / 'val' / f'{key_of(run)}-seed{seed}.json'
        run_tool('test', config, str(checkpoint), '--split', 'val', '--out', str(out), '--work-dir', str(out.parent))
        figures[key_of(run)] = json.loads((ROOT / out).read_text())['map']
    return figures


def measured(chosen: Sequence[tuple[str, str, str]], seeds: Sequence[int]) -> list[dict]:
    """Rows of all runs that were ever made, after those that are missing."""
    path = RESULTS / 'fpga_accuracy_runs.jsonl'
    for seed, run in itertools.product(seeds, chosen):
        row = dict(run=key_of(run), seed=seed)
        if not any(all(other[name] == value for name, value in row.items()) for other in read_history(path)):
            found = test_checkpoint(*detector(*run, seed), FOLDER / 'test' / f'{key_of(run)}-seed{seed}', [])
            with path.open('a') as file:
                file.write(json.dumps(row | dict(commit=commit(), map=found['map'])) + '\n')
    return read_history(path)


def figures_of(rows: Sequence[dict]) -> dict[str, float]:
    """Of each run mAP and what is lost, mean and spread over its seeds, and how many there are."""
    by_seed: dict[tuple[str, int], float] = {(row['run'], row['seed']): row['map'] for row in rows}
    figures: dict[str, float] = {}
    for run in runs(ACTIVATIONS, KINDS):
        found = []
        for seed in sorted(seed for name, seed in by_seed if name == key_of(run)):
            row = {'map': by_seed[key_of(run), seed]}
            size = VARIANTS[run[1]][0]
            for name, other in (('loss', (run[0], size, 'float')), ('end_to_end', ('silu', 'dense', 'float'))):
                if (key_of(other), seed) in by_seed and other != run:
                    row[name] = by_seed[key_of(other), seed] - row['map']
            found.append(row)
        if found:
            figures |= {f'{key_of(run)}.{name}': value for name, value in summary(found).items()}
            figures[f'{key_of(run)}.seeds'] = len(found)
    return figures


def coco_figures() -> dict[str, float]:
    """mAP of the official YOLOv5n on coco_tiny val, 640 px: float and after calibration."""
    convert_weights('../shared/weights/yolov5n.pt')
    folder = FOLDER / 'coco_tiny'
    figures = {'float': test_checkpoint(COCO, WEIGHTS.relative_to(ROOT), folder / 'float', [], 'val')['map']}
    for kind, scales in SCALES.items():
        made = compress(COCO, WEIGHTS.relative_to(ROOT), folder / scales, '--method', 'fpga', '--scales', scales)
        config, checkpoint = str(made / 'config.py'), made / 'compressed.pth'
        figures[kind] = test_checkpoint(config, checkpoint, folder / kind, [], 'val')['map']
        figures[f'{kind}.loss'] = figures['float'] - figures[kind]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', choices=('bccd', 'coco_tiny'), default='bccd')
    parser.add_argument('--activation', nargs='+', choices=ACTIVATIONS, default=['silu'], help='of bccd')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='of bccd')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS, help='of bccd')
    parser.add_argument('--variants', nargs='+', choices=tuple(VARIANTS), default=tuple(VARIANTS), help='of bccd')
    parser.add_argument('--no-test', action='store_true', help='print val figures of bccd, record nothing')
    args = parser.parse_args()
    chosen = runs(args.activation, args.kinds, args.variants)
    if args.data == 'coco_tiny':
        record('fpga_ptq_coco', coco_figures(), [])
    elif args.no_test:
        for seed in args.seeds:
            print(seed, json.dumps(val_figures(chosen, seed), indent=2))
    else:
        rows = measured(chosen, args.seeds)
        record('fpga_accuracy', figures_of(rows), sorted({row['seed'] for row in rows}))


if __name__ == '__main__':
    main()
