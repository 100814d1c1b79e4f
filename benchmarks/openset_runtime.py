"""What fusion at inference costs an exported detector, and whether its bundle says what torch says.

python benchmarks/openset_runtime.py [--task TASK] [--mode closed] [--seed 1] [--rounds 30]

The run is one of ``openset_tasks.py``: its checkpoint and what ``detplug add-unknown`` made of it are both exported;
the two bundles, one thread each, take the task's test pictures in turn.

- ratio: median over the pictures and rounds of (seconds with fusion / seconds without), from the file to the boxes,
  network_ratio: of the graph alone; both from calls that follow one another
- picture_ms, network_ms: medians without fusion; fused_*: with it
- boxes, unmatched, max_box_px, max_score_diff, max_extra_diff: of the export's comparison with torch, with fusion
- unknown: pictures of which the bundle with fusion has a box named unknown
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
from finetuning import ROOT, run_tool
from openset_tasks import TASKS
from record import record

from detplug.runtime.bundle import Detector

UNKNOWN = 'unknown'
COMPARED = ('boxes', 'unmatched', 'max_box_px', 'max_score_diff', 'max_extra_diff')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--task', choices=TASKS, default='bccd7_neutrophil')
    parser.add_argument('--mode', default='closed')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=30)
    args = parser.parse_args()
    folder = Path('work_dirs/benchmarks/openset_tasks') / args.task / args.mode / f'seed{args.seed}'
    config, out = next((ROOT / folder).glob('*.py')), Path('work_dirs/benchmarks/openset_runtime')
    plain = export(config.relative_to(ROOT), folder / 'best.pth', out / 'plain')
    fused = export(folder / 'fused/config.py', folder / 'fused/checkpoint.pth', out / 'fused')
    pictures = sorted(np.load(ROOT / folder / 'test/images.npz')['img_path'].tolist())
    record('openset_runtime', measure(plain, fused, pictures, args.rounds), [args.seed])


def export(config: Path, checkpoint: Path, out: Path) -> Path:
    """The bundle in ``out``, written anew."""
    shutil.rmtree(ROOT / out, ignore_errors=True)
    run_tool('export', str(config), str(checkpoint), '--format', 'onnx', '--out', str(out))
    return ROOT / out


def measure(plain: Path, fused: Path, pictures: list[str], rounds: int) -> dict[str, float]:
    detectors = [Detector(folder, threads=1) for folder in (plain, fused)]
    whole, network = np.zeros((2, 2, rounds, len(pictures)))
    for turn in range(-1, rounds):  # the first warms up
        for i, picture in enumerate(pictures):
            order = (0, 1) if (turn + i) % 2 else (1, 0)
            for k in order:
                prepared = [detectors[k].prepare(picture)]
                whole[k, turn, i] = seconds(lambda k=k, picture=picture: detectors[k](picture))
                network[k, turn, i] = seconds(lambda k=k, prepared=prepared: detectors[k].run(prepared))
    errors = json.loads((fused / 'manifest.json').read_text())['errors']
    named = [UNKNOWN in _names(detectors[1](picture).above(0.25)) for picture in pictures]
    return {
        'ratio': float(np.median(whole[1] / whole[0])),
        'network_ratio': float(np.median(network[1] / network[0])),
        'picture_ms': 1000 * float(np.median(whole[0])),
        'fused_picture_ms': 1000 * float(np.median(whole[1])),
        'network_ms': 1000 * float(np.median(network[0])),
        'fused_network_ms': 1000 * float(np.median(network[1])),
        'pictures': len(pictures),
        'unknown': sum(named),
        **{key: errors[key] for key in COMPARED if key in errors},
    }


def _names(detections) -> set[str]:
    return {detections.names[label] for label in detections.labels}


def seconds(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == '__main__':
    main()
