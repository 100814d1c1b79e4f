"""Minutes from a YOLO folder of 200 pictures to a detector that is trained, evaluated and exported; and what is typed.

python benchmarks/first_hour.py               minutes, commands, lines of Python, mAP50 on the test split
python benchmarks/first_hour.py --smoke       without the export, in a few seconds; nothing is recorded
"""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

from detplug.cli.main import main
from detplug.data.formats.convert import convert
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[1]
COUNTS = dict(train=140, val=30, test=30)  # 200 slides
COMMANDS = (
    'detplug train --data mine/data.yaml --model yolov5n --minutes {minutes} --work-dir work',
    'detplug test work/config.py work/best.pth',
    'detplug export work/config.py work/best.pth --out work/onnx',
)
PYTHON = """from detplug import Detector
detector = Detector('yolov5n').train('mine/data.yaml', minutes={minutes}, work_dir='work')
figures = detector.test()
bundle = detector.export('onnx')
"""
SMOKE = dict(counts=dict(train=4, val=2, test=2), size=64)


def first_hour(folder: Path, budget: str, smoke: bool) -> dict[str, float]:
    """Type the commands in ``folder``, which gets a YOLO data set first; the figures.

    Args:
        budget: minutes for the training, as they are typed.
        smoke: two steps on eight small pictures, without the export: it refuses a detector whose scores are all alike.
    """
    generate(folder / 'coco', **(SMOKE if smoke else dict(counts=COUNTS)))
    convert(folder / 'coco', folder / 'mine', 'yolo')
    commands = [command.format(minutes=budget) for command in COMMANDS]
    if smoke:
        commands[0] = commands[0].replace(f'--minutes {budget}', '--steps 2 --batch 2')
    began = time.monotonic()
    for command in commands[:-1] if smoke else commands:
        (call if smoke else start)(command, folder)
    minutes = (time.monotonic() - began) / 60
    if not smoke and not (folder / 'work' / 'onnx' / 'model.onnx').is_file():
        raise RuntimeError('no bundle was written')
    figures = json.loads((folder / 'work' / 'test' / 'metrics_test.json').read_text())
    return dict(
        pictures=sum((SMOKE['counts'] if smoke else COUNTS).values()),
        minutes=minutes,
        training_minutes=float(budget),
        commands=len(commands),
        python_lines=len(PYTHON.splitlines()),
        map50=figures['map50'],
        map=figures['map'],
    )


def call(command: str, folder: Path) -> None:
    """Run a ``detplug`` command line in ``folder``, in this process.

    Raises:
        RuntimeError: it failed.
    """
    with contextlib.chdir(folder):
        if main(shlex.split(command)[1:]):
            raise RuntimeError(f'failed: {command}')


def start(command: str, folder: Path) -> None:
    """Run a ``detplug`` command line of this checkout in ``folder``, in a process of its own as a shell does."""
    name, *words = shlex.split(command)
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    code = f'import sys; from detplug.cli.main import main; sys.exit(main(sys.argv[1:]))  # {name}'
    subprocess.run([sys.executable, '-c', code, *words], check=True, cwd=folder, env=os.environ | {'PYTHONPATH': paths})


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', default='10', help='of the training')
    parser.add_argument('--smoke', action='store_true')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measured = first_hour(Path(directory), args.minutes, args.smoke)
    if args.smoke:
        print(json.dumps(measured, indent=2))
    else:
        record('first_hour', measured, [0])
