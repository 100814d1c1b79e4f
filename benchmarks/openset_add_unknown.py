"""What ``detplug add-unknown`` does to a trained detector: objects that are named "unknown", and what known ones lose.

An object's name is that of the box with the highest score, from SCORE on, that overlaps it by IOU. unknown_named:
unknown objects named unknown; unknown_misnamed: that have a known name (the others have no box from SCORE on);
known_lost: known objects named unknown; each of so many objects. before: the detector as it was. Thresholds come from
the val split's known objects alone; hidden labels are read here only, to count.

python benchmarks/openset_add_unknown.py CONFIG CHECKPOINT [--budgets .2 1] [--split test]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from record import record

from detplug.cli.config import load_config
from detplug.cli.torch_engine import CheckpointSource
from detplug.evaluation.matching import overlaps
from detplug.images.reading import read_image

SCORE, IOU = 0.25, 0.5
FOLDER = Path('work_dirs/benchmarks/add_unknown')


def fused(config: str, checkpoint: str, budget: float) -> Path:
    """The folder that add-unknown wrote for a budget."""
    out = FOLDER / f'budget_{budget:g}'
    if not (out / 'checkpoint.pth').exists():
        words = [config, checkpoint, '--out', out, '--budget', budget]
        subprocess.run([sys.executable, '-m', 'plugins.openset.add_unknown', *map(str, words)], check=True)
    return out


def names_of(boxes: np.ndarray, found) -> np.ndarray:
    """(G,) label of the best box on each of (G, 4) objects, -1 without one."""
    found = found.where(found.scores >= SCORE)
    if not len(found) or not len(boxes):
        return np.full(len(boxes), -1)
    scores = np.where(overlaps(boxes, found.boxes) >= IOU, found.scores, 0)
    return np.where(scores.max(1) > 0, found.labels[scores.argmax(1)], -1)


def count(path: str | Path, checkpoint: str | Path, split: str) -> dict[str, int]:
    """Objects of the split by what a detector calls them."""
    config = load_config(path)
    dataset = build(config[f'{split}_dataloader'].dataset)
    engine = CheckpointSource(str(path), str(checkpoint)).open()
    unknown_label, known, unknown = len(dataset.metainfo['classes']), [], []
    for index in range(len(dataset)):
        item = dataset.get_data_info(index)
        (found,) = engine([read_image(item['img_path'])])
        truth = [[x['bbox'] for x in item.get(key, ())] for key in ('instances', 'unknown_instances')]
        for names, boxes in zip((known, unknown), truth, strict=True):
            names.append(names_of(np.array(boxes, float).reshape(-1, 4), found))
    known, unknown = np.concatenate(known), np.concatenate(unknown)
    return {
        'unknown_objects': len(unknown),
        'unknown_named': int((unknown == unknown_label).sum()),
        'unknown_misnamed': int(((unknown >= 0) & (unknown < unknown_label)).sum()),
        'known_objects': len(known),
        'known_lost': int((known == unknown_label).sum()),
    }


def build(config: dict):
    """The data set of a loader."""
    from mmdet.registry import DATASETS

    return DATASETS.build(config)


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
        detectors[f'budget_{budget:g}'] = out / 'config.py', out / 'checkpoint.pth'
    figures = {}
    for name, (config, checkpoint) in detectors.items():
        counts = count(config, checkpoint, args.split)
        figures |= {f'{name}.{key}': value for key, value in counts.items()}
        print(name, counts, flush=True)
    record('openset_add_unknown', figures, [0])


if __name__ == '__main__':
    main()
