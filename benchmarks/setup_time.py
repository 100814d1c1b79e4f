"""Seconds of the first `make setup` in a fresh folder with empty caches, of the second, and what it takes on disk.

python benchmarks/setup_time.py

Any accepted Python will do: the environment that was just made writes the result. Both calls see a PATH that holds
Python, make and the few programs of the Makefile only: no compiler can be found there.
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
    'Makefile', 'setup.cfg', 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'requirements', 'tools', 'detplug',
    'plugins', 'configs', 'mmcv_ops',
)  # fmt: skip
PROGRAMS = ('make', 'sh', 'sed', 'env')
COMPILERS = ('c++', 'cc', 'g++', 'gcc', 'clang++', 'clang', 'nvcc', 'tcc', 'ninja')


def copy_tree(to: Path) -> None:
    """The project as a fresh checkout, into the folder ``to``."""
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns('__pycache__'))
        elif source.exists():
            shutil.copy(source, to / name)


def path_without_compiler(folder: Path) -> Path:
    """A folder for PATH with links to PROGRAMS and to this Python as ``python3``."""
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name))
    python = Path(sys.base_prefix) / 'bin' / 'python{}.{}'.format(*sys.version_info)
    script = folder / 'python3'  # not a link: Python looks for its library beside the file that was called
    script.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    script.chmod(0o755)
    return folder


def seconds_of_setup(folder: Path, env: dict[str, str]) -> float:
    """Wall time of `make setup` in ``folder``."""
    start = time.monotonic()
    subprocess.run(['make', 'setup'], cwd=folder, env=env, check=True)
    return time.monotonic() - start


def disk_gb(folder: Path) -> float:
    """What the files below ``folder`` take on the disk, in GB (1e9 bytes)."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob('*')) / 1e9


def main() -> None:
    """Measure, and write benchmarks/results/setup.json."""
    with tempfile.TemporaryDirectory(prefix='detplug-setup-') as scratch:
        folder, cache = Path(scratch, 'project'), Path(scratch, 'cache')
        folder.mkdir()
        copy_tree(folder)
        path = str(path_without_compiler(Path(scratch, 'bin')))
        env = os.environ | {'PATH': path, 'XDG_CACHE_HOME': str(cache), 'PIP_CACHE_DIR': str(cache / 'pip')}
        env = {name: value for name, value in env.items() if name not in ('CC', 'CXX', 'MAKEFLAGS')}
        figures = {
            'cold_seconds': round(seconds_of_setup(folder, env), 1),
            'warm_seconds': round(seconds_of_setup(folder, env), 2),
            'disk_gb': round(disk_gb(folder / '.venv'), 2),
            'compiler': sum(shutil.which(name, path=path) is not None for name in COMPILERS),
        }
        python = folder / '.venv/bin/python'
        subprocess.run([python, 'tools/doctor.py'], cwd=folder, env=env, check=True)
        subprocess.run([python, __file__, json.dumps(figures)], check=True)


def write(figures: dict[str, float]) -> None:
    """Write the result from an environment that knows the versions it was made with."""
    from record import record

    record('setup', figures, seeds=[], command='python benchmarks/setup_time.py')


if __name__ == '__main__':
    write(json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
