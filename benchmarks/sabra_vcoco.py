"""SABRA on V-COCO in `boxes` mode, and its ablation: the boxes of the truth, and the truth with a detector's noise.

Trained on train; choices and checkpoints by its held-out tenth; each run's val is evaluated once with each kind of
boxes. AP_role of scenarios 1 and 2 in percent, mean and spread of the seeds: 24 roles as papers print it (gt_s1,
noise_s1, ...) and all 25 (gt_s1_25, ...); VARIANT.NAME of a variant, and NAME alone of bnps, the whole method.

Resumable: a training that was stopped continues, a run that has its row in results/sabra_vcoco_runs.jsonl is not
repeated.

python benchmarks/sabra_vcoco.py     (needs data/vcoco: tools/prepare_data.py vcoco DOWNLOAD --out data/vcoco)
"""

import argparse
import itertools
import json
from pathlib import Path

from finetuning import ROOT, run_tool, summary
from record import RESULTS, commit, record
from sabra_variants import VARIANTS, train

from detplug.engine.history import read_history

CONFIG = 'configs/sabra/sabra_vcoco_boxes.py'
FOLDER = Path('work_dirs/benchmarks/sabra_vcoco')
WHOLE = 'bnps'
BOXES = {  # --cfg-options of the test
    'gt': ['test_dataloader.dataset.pipeline.1.clean=1.0', 'model.max_boxes=70'],  # the fullest image has 70
    'noise': [],
}
FIGURES = {'s1': 'role_ap_s1', 's2': 'role_ap_s2', 's1_25': 'role25_ap_s1', 's2_25': 'role25_ap_s2'}


def run(variant: str, seed: int) -> dict[str, float]:
    """Train and test one run; its figures in percent, BOXES_FIGURE."""
    folder, options = FOLDER / variant / f'seed{seed}', VARIANTS[variant]
    train(CONFIG, folder, seed, options)
    figures = {}
    for boxes, more in BOXES.items():
        out, chosen = folder / f'{boxes}.json', [*options, *more]
        words = [str(folder / 'best.pth'), '--out', str(out), '--work-dir', str(folder / boxes)]
        run_tool('test', CONFIG, *words, *(['--cfg-options', *chosen] if chosen else []))
        found = json.loads((ROOT / out).read_text())
        figures |= {f'{boxes}_{name}': 100 * found[key] for name, key in FIGURES.items()}
    return figures


def figures_of(rows: list[dict]) -> dict[str, float]:
    """VARIANT.NAME, mean and spread over the seeds, and NAME of the whole method."""
    figures: dict[str, float] = {}
    for variant in VARIANTS:
        mine = [row['figures'] for row in rows if row['variant'] == variant]
        found = summary(mine) if mine else {}
        figures |= found if variant == WHOLE else {}
        figures |= {f'{variant}.{name}': value for name, value in found.items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    path = RESULTS / 'sabra_vcoco_runs.jsonl'
    for seed, variant in itertools.product(args.seeds, args.variants):
        if not any(row['variant'] == variant and row['seed'] == seed for row in read_history(path)):
            row = dict(variant=variant, seed=seed, commit=commit(), figures=run(variant, seed))
            with path.open('a') as file:
                file.write(json.dumps(row) + '\n')
    rows = read_history(path)
    record('sabra_vcoco', figures_of(rows), sorted({row['seed'] for row in rows}))


if __name__ == '__main__':
    main()
