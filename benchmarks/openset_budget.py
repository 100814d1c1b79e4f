"""What a limit a class (``add-unknown --class-share``) does on val, on the two tasks that switches are chosen on.

Figures: TASK.MODE.SHARE.KEY of val for the detectors that ``openset_tasks.py`` trained with seed 0; share 1 is no
limit. known_map_loss is what fusion takes from the known mAP of the same detector. No test split is read.

python benchmarks/openset_tasks.py --tasks malaria_trophozoite-schizont bccd7_eosinophil-basophil --seeds 0
python benchmarks/openset_budget.py
"""

import argparse
import itertools
import json

from finetuning import ROOT, test_checkpoint
from openset_tasks import CHOICE, TRAINED, add_unknown, train
from record import record

SHARES = (1.0, 0.5, 0.25, 0.1, 0.0)
KEYS = ('known_map', 'unknown_ap', 'u_recall_1', 'precision_1', 'aose', 'aose_r50', 'wi_r50')


def figures_of(task: str, mode: str, share: float, seed: int = 0) -> dict[str, float]:
    """Figures of val at one share."""
    config, folder, options = train('openset_tasks', task, mode, seed, [])
    out = add_unknown(config, folder, options, f'fused_{share:g}', ('--class-share', str(share)))
    figures = test_checkpoint(str(out / 'config.py'), out / 'checkpoint.pth', out / 'figures', [], split='val')
    figures['known_map'] = figures['map']
    before = json.loads((ROOT / folder / 'metrics.json').read_text())['map']
    return {key: figures[key] for key in KEYS if key in figures} | dict(known_map_loss=before - figures['map'])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tasks', nargs='+', choices=CHOICE, default=tuple(CHOICE))
    parser.add_argument('--modes', nargs='+', choices=TRAINED, default=TRAINED)
    args = parser.parse_args()
    figures = {}
    for task, mode, share in itertools.product(args.tasks, args.modes, SHARES):
        row = figures_of(task, mode, share)
        print(task, mode, share, {key: round(float(value), 3) for key, value in row.items()}, flush=True)
        figures |= {f'{task}.{mode}.{share:g}.{key}': value for key, value in row.items()}
    record('openset_budget', figures, [0])


if __name__ == '__main__':
    main()
