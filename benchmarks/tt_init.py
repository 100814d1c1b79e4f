"""How much of its accuracy a detector keeps when its 3x3 layers are cut and nothing is trained.

The official yolov5n on the 80 real COCO images of coco_tiny val; the whole model 1.25x smaller by the 3x3 layers alone;
64 calibration images of coco_tiny train. ``kept`` is mAP over the dense mAP; without a name, of the first selection.

python benchmarks/tt_init.py
"""

import argparse
import json
import os

from finetuning import ROOT, WEIGHTS, convert_weights, run_tool
from record import record

CONFIG = 'configs/yolov5/yolov5n_coco-tiny.py'
FOLDER = ROOT / 'work_dirs/benchmarks/tt_init'
SHARE = 1 / 1.25
SELECTIONS = ('sensitivity', 'water_filling', 'activation_energy', 'lwiq', 'uniform')
INITS = {'activation': '--init activation', 'svd': '--init svd'}
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def three_by_three() -> str:
    """Pattern of the names of the model's 3x3 layers."""
    from torch import nn

    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector

    model = build_detector(load_config(ROOT / CONFIG), WEIGHTS)
    names = [n for n, x in model.named_modules() if isinstance(x, nn.Conv2d) and x.kernel_size == (3, 3)]
    return '^(' + '|'.join(name.replace('.', r'\.') for name in names) + ')$'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ranks', nargs='+', default=SELECTIONS)
    args = parser.parse_args()
    convert_weights('../shared/weights/yolov5n.pt')
    modules, figures = three_by_three(), {}
    tested = {'dense': (CONFIG, WEIGHTS)}
    for ranks in args.ranks:
        for init in INITS:
            out = FOLDER / f'{ranks}-{init}'
            words = ['--budget', str(SHARE), '--ranks', ranks, '--init', init, '--modules', modules, '--out', str(out)]
            run_tool('compress', CONFIG, str(WEIGHTS), *words)
            tested[f'{ranks}.{init}'] = out / 'config.py', out / 'compressed.pth'
    for name, (config, checkpoint) in tested.items():
        out = FOLDER / 'metrics' / f'{name}.json'
        words = ['--split', 'val', '--out', str(out), '--work-dir', str(out.with_suffix(''))]
        run_tool('test', str(config), str(checkpoint), *words)
        figures[f'{name}.map'] = json.loads(out.read_text())['map']
    for ranks in args.ranks:
        for init in INITS:
            figures[f'{ranks}.{init}_1_25x_kept'] = figures[f'{ranks}.{init}.map'] / figures['dense.map']
    first = args.ranks[0]
    figures |= {f'{init}_1_25x_kept': figures[f'{first}.{init}_1_25x_kept'] for init in INITS}
    record('tt_init', figures, [])


if __name__ == '__main__':
    main()
