"""The command ``detplug review`` as a process; a training on what it has written, and a prediction after it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2

from detplug.cli import train
from detplug.cli.main import main
from detplug.cli.run import run

ROOT = Path(__file__).resolve().parents[3]
CHILD = 'import sys; from plugins.microscopy.review.command import main; sys.exit(main(sys.argv[1:]))'
SMALL = [
    'img_scale=(64,64)', 'train_dataloader.batch_size=2', 'custom_hooks=[]', 'model.backbone.width=0.125',
    'model.neck.in_channels=[32,64,128]', 'model.bbox_head.in_channels=[32,64,128]',
]  # fmt: skip


class Server:
    """A process of the command; ``address`` holds the token."""

    def __init__(self, out: Path, *options: str) -> None:
        words = [sys.executable, '-c', CHILD, str(out), *(options or ('--port', '0'))]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        while not (match := re.match(r'open (http://127\.0\.0\.1:\d+/)\?token=(\S+)', line := self._line())):
            self.said.append(line)
        self.address = match[0].removeprefix('open ')
        self.browser = httpx2.Client(base_url=match[1], follow_redirects=True, trust_env=False)
        assert self.browser.get('/', params=dict(token=match[2])).status_code == 200

    def _line(self) -> str:
        line = self.process.stdout.readline()
        assert line, self.said
        return line

    def end(self, how: int) -> str:
        """Stop it by a signal; returns what it has still said."""
        self.browser.close()
        self.process.send_signal(how)
        rest = self.process.communicate(timeout=60)[0]
        return rest


def train_on(corrected: Path, folder: Path, monkeypatch) -> int:
    """The exit status of a smoke training of docs/own_data.md on this file, in ``folder``."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv('DETPLUG_DATA', raising=False)
    shutil.copytree(ROOT / 'configs', 'configs')
    options = [f'{split}_dataloader.dataset.{"dataset." * (2 if split == "train" else 0)}ann_file={corrected}'
               for split in ('train', 'val', 'test')]  # fmt: skip
    names = ['classes=("egg","Würmer")', 'unknown_classes=("unknown",)']
    return run(train.main, ['configs/yolov5/yolov5n_own-data.py', '--smoke', '--cfg-options', *SMALL, *options, *names])


def predict_again(pictures: Path, folder: Path) -> Path:
    """The results of ``pictures`` by the detector that :func:`train_on` left in ``folder``."""
    name, out = 'yolov5n_own-data', folder / 'again'
    trained = folder / 'work_dirs' / 'yolov5' / name / 'smoke'
    words = [
        trained / 'yolov5n_own-data.py',
        trained / 'last.pth',
        pictures,
        '--out',
        out,
        '--score-thr',
        '0',
        '--no-pictures',
    ]
    assert main(['predict', *map(str, words)]) == 0
    return out
