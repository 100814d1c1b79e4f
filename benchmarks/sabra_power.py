"""The power of the detection scores (lambda) on V-COCO in `boxes` mode: UPT's 2.8 was chosen for DETR's scores.

Detectors of benchmarks/sabra_vcoco.py (the whole method) on the held-out tenth of train with the noise of YOLOv5n, by
which the power is chosen; lambda at test is no part of the loss, so nothing is trained again. POWER.s1 and POWER.s2:
AP_role in percent, mean and spread over seeds; ``best``: the power with the best s1.

python benchmarks/sabra_power.py     (needs data/vcoco: tools/prepare_data.py vcoco DOWNLOAD --out data/vcoco)
"""

import argparse
import json

from finetuning import ROOT, run_tool, summary
from record import record
from sabra_variants import train
from sabra_vcoco import CONFIG, FOLDER, WHOLE

POWERS = (0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 2.8, 4.0)


def measure(seed: int) -> dict[str, float]:
    """Figures of one detector at every power."""
    folder, figures = FOLDER / WHOLE / f'seed{seed}', {}
    train(CONFIG, folder, seed)
    for power in POWERS:
        out = folder / f'power_{power}.json'
        words = ['--split', 'val', '--out', str(out), '--work-dir', str(folder / 'power')]
        run_tool('test', CONFIG, str(folder / 'best.pth'), *words, '--cfg-options', f'model.head.power={power}')
        found = json.loads((ROOT / out).read_text())
        figures |= {f'{power}.{name}': 100 * found[f'role_ap_{name}'] for name in ('s1', 's2')}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    figures = summary([measure(seed) for seed in args.seeds])
    best = max(POWERS, key=lambda power: figures[f'{power}.s1'])
    record('sabra_power', figures | dict(best=best), args.seeds)


if __name__ == '__main__':
    main()
