"""Every config, mode, scorer, sampler and rank selector on the pretend accelerator of tests/device: what fails, and how
often a training step makes the host wait for the device.

figures: configs (files below configs/ that were trained), cases and stages (with modes, scorers, ...), failures (stages
that ended in an error), FAMILY.syncs_per_step (of the family's first case) and FAMILY.most_syncs_per_step.

python benchmarks/device.py [--device cuda] [--folder FOLDER]
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
BATTERY = ROOT / 'tests' / 'device' / 'battery.py'
FAMILIES = (  # of one process each, where two run side by side
    ('openset', 'soft-teacher', 'sabra-boxes', 'sabra'),
    ('yolov5', 'faster-rcnn', 'tensor-train', 'compression', 'openset-faster-rcnn'),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='pretend')
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs' / 'benchmarks' / 'device')
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = run(args.device, args.folder)
    for row in rows:
        if row['error']:
            print(f'{row["case"]}: {row["stage"]}: {row["error"]}', file=sys.stderr)
    record('device', figures(rows), [], f'python benchmarks/device.py --device {args.device}')


def run(device: str, folder: Path) -> list[dict]:
    """Rows of all stages, of two processes side by side.

    Raises:
        subprocess.CalledProcessError: a process that ended before its cases did; its log is in ``folder``.
    """
    processes, outs = [], []
    for number, families in enumerate(FAMILIES):
        outs.append(folder / f'rows_{number}.json')
        log = (folder / f'log_{number}.txt').open('w')
        command = [sys.executable, BATTERY, device, folder / f'runs_{number}', outs[-1], '--all', '--only', *families]
        environment = os.environ | {'OMP_NUM_THREADS': '1'}
        processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment))
    for process in processes:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return list(itertools.chain.from_iterable(json.loads(out.read_text()) for out in outs))


def figures(rows: list[dict]) -> dict[str, float]:
    """The flat figures of the rows."""
    counted = [row for row in rows if row.get('syncs_per_step') is not None]
    found = dict(
        configs=len({row['config'] for row in rows}),
        cases=len({row['case'] for row in rows}),
        stages=len(rows),
        failures=sum(row['error'] is not None for row in rows),
    )
    for family in sorted({row['family'] for row in counted}):
        numbers = [row['syncs_per_step'] for row in counted if row['family'] == family]
        found |= {f'{family}.syncs_per_step': numbers[0], f'{family}.most_syncs_per_step': max(numbers)}
    return found


if __name__ == '__main__':
    main()
