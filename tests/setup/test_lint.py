"""``make lint`` looks at every Python file of the project, in whatever folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ('benchmarks', 'configs', 'detplug', 'mmcv_ops', 'plugins', 'tests', 'tools')


def test_no_folder_of_code_is_excluded():
    ruff = shutil.which('ruff', path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip('ruff is not installed beside this Python')
    shown = subprocess.run([ruff, 'check', '--show-files', '.'], cwd=ROOT, check=True, capture_output=True, text=True)
    checked = {Path(line) for line in shown.stdout.splitlines()}
    files = {path for folder in CODE for path in (ROOT / folder).rglob('*.py')}
    assert files - checked == set() and ROOT / 'detplug/data/coco.py' in files
