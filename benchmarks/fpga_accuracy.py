"""BCCD, YOLOv5n with ReLU for hardware, dense and 4x smaller: float, int8 after calibration, int8 after fine-tuning.

float   trained from the converted COCO checkpoint; tt4x: compressed (water filling, chosen on val; ranks multiples of
        16, the width of the accelerator's array) and fine-tuned beside the dense detector
ptq     int8 with power-of-two scales, calibrated on training images, nothing trained
qat     ptq, fine-tuned quantisation-aware; tt4x beside the dense detector, as in float
tt4x runs as chains of convolutions, tt4x_rebuild with the kernels that the accelerator rebuilds from int8 cores.

mAP on test_clean, once, of the checkpoint that is best on val_clean; seed 0. Resumable: what is done is not repeated.

python benchmarks/fpga_accuracy.py [--kinds float ptq]     (without the fine-tuning of qat)
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from finetuning import ROOT, convert_weights, run_tool, test_checkpoint
from record import record
from tt_bccd import SCHEDULE

CONFIG = 'configs/tt_yolov5/yolov5n-relu_bccd.py'
FOLDER = Path('work_dirs/benchmarks/fpga_accuracy')
RANKS = ('--ranks', 'water_filling', '--rank-multiple', '16')
KINDS = ('float', 'ptq', 'qat')
INT8 = {'dense': ('dense', []), 'tt4x': ('tt4x', []), 'tt4x_rebuild': ('tt4x', ['--form', 'rebuild'])}


def train(config: str, folder: Path, options: list[str] = ()) -> Path:
    """Train unless it is done; the best checkpoint."""
    if not (ROOT / folder / 'metrics.json').exists():
        words = ['--cfg-options', *options] if options else []
        run_tool('train', config, '--work-dir', str(folder), '--seed', '0', '--resume', *words)
    return folder / 'best.pth'


def compress(config: str, checkpoint: Path, folder: Path, *words: str) -> Path:
    """Folder of the compressed or quantised detector, made unless it is there."""
    if not (ROOT / folder / 'compressed.pth').exists():
        run_tool('compress', config, str(checkpoint), '--out', str(folder), *words)
    return folder


def trained_dense() -> Path:
    """Checkpoint of the dense float detector."""
    convert_weights('../shared/weights/yolov5n.pt')
    return train(CONFIG, FOLDER / 'dense')


def detectors(kinds: Sequence[str] = KINDS) -> dict[str, tuple[str, Path]]:
    """VARIANT.KIND -> (config, checkpoint), trained."""
    dense = trained_dense()
    small = compress(CONFIG, dense, FOLDER / 'tt4x-start', '--budget', '0.25', *RANKS)
    tuned = train(str(small / 'distill.py'), FOLDER / 'tt4x', SCHEDULE)
    floats = {'dense': (CONFIG, dense), 'tt4x': (str(small / 'distill.py'), tuned)}
    found = {f'{name}.float': value for name, value in floats.items()}
    for name, (source, words) in INT8.items():
        made = compress(*floats[source], FOLDER / f'{name}-int8', '--method', 'fpga', *words)
        config = str(made / 'config.py')
        found[f'{name}.ptq'] = config, made / 'compressed.pth'
        if 'qat' in kinds:
            found[f'{name}.qat'] = config, train(config, FOLDER / f'{name}-qat')
    return {name: value for name, value in found.items() if name.split('.')[1] in kinds}


def val_figures(kinds: Sequence[str]) -> dict[str, float]:
    """mAP of every detector on val_clean; nothing is recorded."""
    figures = {}
    for name, (config, checkpoint) in detectors(kinds).items():
        out = FOLDER / 'val' / f'{name}.json'
        run_tool('test', config, str(checkpoint), '--split', 'val', '--out', str(out), '--work-dir', str(out.parent))
        figures[name] = json.loads((ROOT / out).read_text())['map']
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--no-test', action='store_true', help='print val figures, record nothing')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS)
    args = parser.parse_args()
    if args.no_test:
        print(json.dumps(val_figures(args.kinds), indent=2))
        return
    figures = {
        name: test_checkpoint(config, checkpoint, FOLDER / 'test' / name, [])['map']
        for name, (config, checkpoint) in detectors(args.kinds).items()
    }
    record('fpga_accuracy', figures, [0])


if __name__ == '__main__':
    main()
