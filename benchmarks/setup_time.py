"""Minutes of the first `make setup` in a fresh folder with empty caches (mmcv is compiled), seconds of the second.

python benchmarks/setup_time.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
# what the set-up reads; data, results and environments stay behind
TREE = (
    'Makefile',
    'setup.cfg',
    'pyproject.toml',
    'README.md',
    'LICENSE',
    'requirements',
    'tools',
    'detplug',
    'plugins',
)


def copy_tree(to: Path) -> None:
    """The project as a fresh checkout, into the folder ``to``."""
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns('__pycache__'))
        elif source.exists():
            shutil.copy(source, to / name)


def seconds_of_setup(folder: Path, cache: Path) -> float:
    """Wall time of `make setup` in ``folder``, with all caches (pip's too) below ``cache``."""
    env = os.environ | {'XDG_CACHE_HOME': str(cache), 'PIP_CACHE_DIR': str(cache / 'pip')}
    base = Path(sys.base_prefix) / 'bin' / 'python3.11'
    start = time.monotonic()
    subprocess.run(['make', 'setup', f'PYTHON={base}'], cwd=folder, env=env, check=True)
    return time.monotonic() - start


def main() -> None:
    """Measure both and write benchmarks/results/setup.json."""
    with tempfile.TemporaryDirectory(prefix='detplug-setup-') as scratch:
        folder, cache = Path(scratch, 'project'), Path(scratch, 'cache')
        folder.mkdir()
        cache.mkdir()
        copy_tree(folder)
        cold = seconds_of_setup(folder, cache)
        warm = seconds_of_setup(folder, cache)
        subprocess.run([folder / '.venv/bin/python', 'tools/doctor.py'], cwd=folder, check=True)
    record('setup', {'cold_minutes': round(cold / 60, 2), 'warm_seconds': round(warm, 2)}, seeds=[])


if __name__ == '__main__':
    main()
