"""SABRA on the generated scenes in `pixels` mode: YOLOv5n and relation head learned together, from scratch.

map       mean average precision of relations on the test split (0 .. 1), of the checkpoint that is best on val
minutes   of the training with its validations
ap_VERB   of each verb; val_map on val

Mean and spread of the seeds; the test split is evaluated once, after all trainings. A finished training is not
repeated; one that was stopped is, because its minutes would be those of the rest.

python benchmarks/sabra_samples.py
"""

import argparse
import json
import shutil
from pathlib import Path

from finetuning import ROOT, run_tool, summary
from record import record

from plugins.samples.scenes import generate

CONFIG = 'configs/sabra/sabra_yolov5n_samples.py'
FOLDER = Path('work_dirs/benchmarks/sabra_samples')


def train(folder: Path, seed: int) -> None:
    """Train in a folder below the root of the repository from the first step, unless that is done."""
    if not (ROOT / folder / 'metrics.json').exists():
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        run_tool('train', CONFIG, '--work-dir', str(folder), '--seed', str(seed))


def test(folder: Path) -> dict[str, float]:
    """Figures of the best checkpoint in ``folder``, and the minutes of its training."""
    out = folder / 'test.json'
    run_tool('test', CONFIG, str(folder / 'best.pth'), '--out', str(out), '--work-dir', str(folder / 'test'))
    trained, figures = (json.loads((ROOT / path).read_text()) for path in (folder / 'metrics.json', out))
    verbs = {name.replace('/', '_').replace(' ', '_'): x for name, x in figures.items() if name.startswith('ap/')}
    return dict(map=figures['map'], minutes=trained['minutes'], val_map=trained['map']) | verbs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    generate(ROOT / 'data' / 'relation_samples')
    folders = {seed: FOLDER / f'seed{seed}' for seed in args.seeds}
    for seed, folder in folders.items():
        train(folder, seed)
    record('sabra_samples', summary([test(folder) for folder in folders.values()]), args.seeds)


if __name__ == '__main__':
    main()
