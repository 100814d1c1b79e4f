"""SABRA on VRD in `boxes` mode: trained on the annotations, tested once with the released R-CNN detections.

Choices were made on 500 held-out training images; recalls in percent, mean and spread of the seeds.

python benchmarks/sabra_vrd.py     (needs data/vrd: tools/prepare_data.py vrd DOWNLOAD --out data/vrd)
"""

import argparse
import json
from pathlib import Path

from finetuning import ROOT, run_tool, summary
from record import record
from sabra_variants import train

CONFIG = 'configs/sabra/sabra_vrd_boxes.py'
PREDICATES = 'configs/sabra/sabra_vrd_predicates.py'
FOLDER = Path('work_dirs/benchmarks/sabra_vrd')
FIGURES = {
    'predicate': (
        'predicate_r50_k1',
        'predicate_r100_k1',
        'predicate_official_r50_k1',
        'predicate_official_r100_k1',
        'predicate_r50_k70',
        'predicate_r100_k70',
    ),
    'relationship': (
        'relationship_r50_k1',
        'relationship_r100_k1',
        'relationship_r50_k70',
        'relationship_r100_k70',
        'phrase_r50_k1',
        'phrase_r100_k1',
    ),
}


def test(folder: Path) -> dict[str, float]:
    """Figures of the best checkpoint in ``folder``, in percent."""
    figures = {}
    for task, config in (('relationship', CONFIG), ('predicate', PREDICATES)):
        out = folder / f'{task}.json'
        run_tool('test', config, str(folder / 'best.pth'), '--out', str(out), '--work-dir', str(folder / task))
        found = json.loads((ROOT / out).read_text())
        figures |= {name: 100 * found[name] for name in FIGURES[task]}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    folders = {seed: FOLDER / 'bnps' / f'seed{seed}' for seed in args.seeds}
    for seed, folder in folders.items():
        train(CONFIG, folder, seed)
    record('sabra_vrd', summary([test(folder) for folder in folders.values()]), args.seeds)


if __name__ == '__main__':
    main()
