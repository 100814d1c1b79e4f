"""What ``detplug add-unknown`` does to a trained detector: objects that are named "unknown", and what known ones lose.

unknown_named: unknown objects that the best shown box on them names unknown; unknown_misnamed: that have a known name
(the others have no box); known_lost: known objects named unknown; as OpenSetMetric counts. before: the detector as it
was. Thresholds come from the val split's known objects alone; hidden labels are read here only, to count.

python benchmarks/openset_add_unknown.py CONFIG CHECKPOINT [--budgets .2 1] [--split test]
"""

import argparse
import subprocess
import sys
from pathlib import Path

from finetuning import ROOT, test_checkpoint
from record import record

FOLDER = Path('work_dirs/benchmarks/add_unknown')
KEYS = ('unknown_objects', 'unknown_named', 'unknown_misnamed', 'known_objects', 'known_lost', 'map')


def fused(config: str, checkpoint: str, budget: float) -> Path:
    """The folder that add-unknown wrote for a budget."""
    out = FOLDER / f'budget_{budget:g}'
    if not (ROOT / out / 'checkpoint.pth').exists():
        words = [config, checkpoint, '--out', out, '--budget', budget]
        subprocess.run([sys.executable, '-m', 'plugins.openset.add_unknown', *map(str, words)], check=True, cwd=ROOT)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--budgets', type=float, nargs='+', default=[0.2, 1])
    parser.add_argument('--split', choices=('val', 'test'), default='test')
    args = parser.parse_args()
    detectors = {'before': (args.config, args.checkpoint)}
    for budget in args.budgets:
        out = fused(args.config, args.checkpoint, budget)
        detectors[f'budget_{budget:g}'] = str(out / 'config.py'), out / 'checkpoint.pth'
    figures = {}
    for name, (config, checkpoint) in detectors.items():
        options = ['test_evaluator.type=OpenSetMetric', 'val_evaluator.type=OpenSetMetric'] if name == 'before' else []
        if options:
            options.append("custom_imports.imports=['plugins.yolov5.register','plugins.openset.register']")
        counts = test_checkpoint(config, checkpoint, FOLDER / name / args.split, options, args.split)
        counts = {key: counts[key] for key in KEYS if key in counts}
        figures |= {f'{name}.{key}': value for key, value in counts.items()}
        print(name, counts, flush=True)
    record('openset_add_unknown', figures, [0])


if __name__ == '__main__':
    main()
