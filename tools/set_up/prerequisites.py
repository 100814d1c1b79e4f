"""What the machine must have; each thing that is missing is one line with its cure."""

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from .supported import SetUpError

GIB = 2**30
# Measured: .venv with the CPU build of torch 1.9 GiB; beside it pip unpacks three downloads at a time.
NEEDED_GIB = 2.5
# The CUDA build of torch brings its own CUDA libraries; estimated from the sizes of its wheels, not measured.
NEEDED_CUDA_GIB = 9
AGAIN = 'then call the same command again'


def check_venv(find=importlib.util.find_spec) -> None:
    """Raise SetUpError unless this Python can make environments (Debian and Ubuntu ship that apart)."""
    missing = [name for name in ('venv', 'ensurepip') if find(name) is None]
    if missing:
        raise SetUpError(
            f'Python without {" and ".join(missing)}; install it (Debian, Ubuntu: apt install python3-venv), {AGAIN}'
        )


def find_compiler(environ: Mapping[str, str]) -> str:
    """The C++ compiler: $CXX, or the first of c++, g++, clang++ on the PATH.

    Raises:
        SetUpError: there is none.
    """
    names = [environ['CXX'].split()[0]] if environ.get('CXX', '').split() else ['c++', 'g++', 'clang++']
    found = [path for path in (shutil.which(name, path=environ.get('PATH', os.defpath)) for name in names) if path]
    if not found:
        raise SetUpError(
            f'no C++ compiler ({", ".join(names)}), which OPS=compiled needs; leave OPS=compiled out, or install one '
            f'(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install), {AGAIN}'
        )
    return environ['CXX'] if environ.get('CXX', '').split() else found[0]


def check_headers(environ: Mapping[str, str], include: Path | None = None) -> None:
    """Raise SetUpError unless Python's C headers are in ``include`` (by default this Python's own) or on $CPATH."""
    folders = [include or sysconfig.get_paths()['include'], *filter(None, environ.get('CPATH', '').split(os.pathsep))]
    if not any((Path(folder) / 'Python.h').exists() for folder in folders):
        raise SetUpError(
            f'{folders[0]}/Python.h: not found, OPS=compiled needs it; leave OPS=compiled out, or install the headers '
            f'of Python (Debian, Ubuntu: apt install python3-dev), {AGAIN}'
        )


def check_disk(free: int, there: int = 0) -> str:
    """Raise SetUpError if ``free`` bytes are too few, of which ``there`` bytes are already in .venv.

    Returns:
        A note where the disk is enough for the CPU build of torch only; else ''.
    """
    needed = max(NEEDED_GIB - there / GIB, 0.3)
    if free < needed * GIB:
        raise SetUpError(
            f'{free / GIB:.1f} GiB free on this disk, the environment needs {needed:.1f} GiB more; '
            f'free some space or move the project to a larger disk, {AGAIN}'
        )
    if free < (NEEDED_CUDA_GIB - there / GIB) * GIB:
        return (
            f'note: {free / GIB:.1f} GiB free is enough for the CPU build of torch only; where pip would take the CUDA '
            'build: set PIP_EXTRA_INDEX_URL to the CPU index that the site of PyTorch names'
        )
    return ''


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 where it does not exist."""
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names)
