"""Minutes of the first `make setup` in a fresh folder with empty caches (mmcv is compiled), seconds of the second.

python3.11 benchmarks/setup_time.py

Any Python 3.11 will do: the result is written by the environment that was just made. The compiled mmcv goes into the
user's cache afterwards, so that the next set-up on this machine need not compile it again.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
        python = folder / '.venv/bin/python'
        subprocess.run([python, 'tools/doctor.py'], cwd=folder, check=True)
        figures = json.dumps({'cold_minutes': round(cold / 60, 2), 'warm_seconds': round(warm, 2)})
        subprocess.run([python, __file__, figures], check=True)
        user_cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
        shutil.copytree(cache / 'detplug/wheels', user_cache / 'detplug/wheels', dirs_exist_ok=True)


def write(figures: dict[str, float]) -> None:
    """Write the result from an environment that knows the versions it was made with."""
    from record import record

    record('setup', figures, seeds=[], command='python3.11 benchmarks/setup_time.py')


if __name__ == '__main__':
    write(json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
