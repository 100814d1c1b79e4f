"""Seconds from an empty environment, the wheel at hand, to the first prediction of a bundled detector; no torch.

first_prediction_seconds: venv, pip install of the wheel and what it needs from the package index (its cache off), and
``detplug predict blood-cells PICTURE --out D``. venv, install, predict: the parts. megabytes: of the environment.
objects: boxes of the prediction.

python benchmarks/first_prediction.py PICTURE
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
COMMAND = 'python benchmarks/first_prediction.py PICTURE'


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        wheel = ('pip', 'wheel', '-q', '--no-deps', '-w', folder / 'dist', ROOT)
        subprocess.run([sys.executable, '-m', *map(str, wheel)], check=True)
        (built,) = (folder / 'dist').glob('detplug-*.whl')
        bin_folder = folder / 'venv' / 'bin'
        steps = {
            'venv': (sys.executable, '-m', 'venv', folder / 'venv'),
            'install': (bin_folder / 'pip', 'install', '-q', '--no-cache-dir', built),
            'predict': (bin_folder / 'detplug', 'predict', 'blood-cells', picture.resolve(), '--out', folder / 'out'),
        }
        seconds = {}
        for name, words in steps.items():
            began = time.monotonic()
            subprocess.run(list(map(str, words)), check=True, cwd=folder)
            seconds[name] = time.monotonic() - began
        objects = len(json.loads((folder / 'out' / 'predictions.json').read_text()))
        size = sum(path.stat().st_size for path in (folder / 'venv').rglob('*') if path.is_file())
    figures = {f'{name}_seconds': value for name, value in seconds.items()}
    total = {'first_prediction_seconds': sum(seconds.values())}
    record('first_prediction', total | figures | {'megabytes': size / 1e6, 'objects': objects}, [], COMMAND)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
