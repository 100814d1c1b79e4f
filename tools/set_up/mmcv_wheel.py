"""The wheel of mmcv: compiled once, then kept in a user cache keyed by torch, Python and platform.

pip's own cache is not keyed by torch, and a wheel compiled against another torch crashes or does not load.
"""

import os
import platform
import re
import shutil
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .prerequisites import GIB, SetUpError

Pip = Callable[..., str]


def cache_root(environ: Mapping[str, str]) -> Path:
    """``$XDG_CACHE_HOME/detplug`` or ``~/.cache/detplug``."""
    return Path(environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'detplug'


def cache_key(torch_version: str, ops: str = 'cpu') -> str:
    """Folder name of all that a compiled mmcv depends on, such as torch2.13.0+cpu-cp311-linux_x86_64-glibc2.36-cpu.

    Args:
        torch_version: with its local part (+cpu, +cu130): their C++ interfaces may differ.
        ops: 'cpu' or 'cuda', what the operators are compiled for.
    """
    python = f'cp{sys.version_info[0]}{sys.version_info[1]}'
    machine = re.sub(r'\W', '_', sysconfig.get_platform())
    parts = (f'torch{torch_version}', python, machine, ''.join(platform.libc_ver()), ops)
    return '-'.join(part for part in parts if part)


def cached(folder: Path) -> Path | None:
    """The wheel in ``folder`` of the cache, or None."""
    return next(iter(sorted(folder.glob('onedl_mmcv-*.whl'))), None)


def keep(wheel: Path, folder: Path) -> Path:
    """Copy ``wheel`` into ``folder`` of the cache so that it is there completely or not at all; its new path."""
    folder.mkdir(parents=True, exist_ok=True)
    new, final = folder / f'.{wheel.name}.{os.getpid()}', folder / wheel.name
    shutil.copyfile(wheel, new)
    with new.open('rb') as file:
        os.fsync(file.fileno())
    os.replace(new, final)
    return final


def check_ops(wheel: Path) -> None:
    """Raise SetUpError if ``wheel`` was built without the compiled operators, as happens where torch is not found."""
    with zipfile.ZipFile(wheel) as archive:
        if not any(re.fullmatch(r'mmcv/_ext\..*\.(so|pyd)', name) for name in archive.namelist()):
            raise SetUpError(f'{wheel}: mmcv was built without its operators; say `make clean setup`')


class NinjaProgress:
    """Reads ninja's ``[46/78]`` lines; says how many files are compiled and how much time is left."""

    PATTERN = re.compile(r'\s*\[(\d+)/(\d+)\]')

    def __init__(self, show: Callable[[str], None], every: int = 1, clock: Callable[[], float] = time.monotonic):
        """``show`` gets the text of every ``every``-th file and of the last."""
        self.show, self.every, self.clock = show, every, clock
        self.first: tuple[int, float] | None = (
            None  # files and time at the first line: what was before is not compiling
        )

    def __call__(self, line: str) -> None:
        found = self.PATTERN.match(line)
        if not found:
            return
        done, total = int(found[1]), int(found[2])
        self.first = self.first or (done, self.clock())
        if done == total or done % self.every == 0:
            self.show(f'compiled {done}/{total} files{self._left(done, total)}')

    def _left(self, done: int, total: int) -> str:
        done_first, start = self.first
        if done == done_first:
            return ''
        seconds = (self.clock() - start) / (done - done_first) * (total - done)
        return f', about {seconds / 60:.0f} min left' if seconds >= 90 else f', {seconds:.0f} s left'


def jobs(environ: Mapping[str, str]) -> int:
    """Compilers to run at a time: $MAX_JOBS, or every core for which there is a GiB of memory."""
    if environ.get('MAX_JOBS', '').isdigit():
        return max(int(environ['MAX_JOBS']), 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIB
    return max(min(cores, int(memory)), 1)


def compile_wheel(pip: Pip, requirement: Path, work: Path, on_line: Callable[[str], None]) -> Path:
    """Compile mmcv in ``work``, which is kept when this is interrupted: the next call compiles only what is left.

    Args:
        pip: runs pip with the given words (and ``on_line=``) in an environment that has torch and ninja.
        requirement: requirements/mmcv.txt.

    Returns:
        The wheel, inside ``work``.

    Raises:
        SetUpError: pip or the compiler failed.
    """
    source = work / 'source'
    if not source.exists():
        _fetch_source(pip, requirement, work, source)
    out = work / 'wheel'
    pip('wheel', '-v', '--no-deps', '--no-build-isolation', '--no-cache-dir', '-w', out, source, on_line=on_line)
    wheel = cached(out)
    if wheel is None:
        raise SetUpError(f'{out}: no wheel of mmcv there after its build; say `make clean setup`')
    check_ops(wheel)
    return wheel


def _fetch_source(pip: Pip, requirement: Path, work: Path, source: Path) -> None:
    download, unpacked = work / 'download', work / 'unpacked'
    for folder in (download, unpacked):
        shutil.rmtree(folder, ignore_errors=True)
    pip('download', '--no-deps', '--no-build-isolation', '--no-binary', ':all:', '-d', download, '-r', requirement)
    archive = next(download.glob('*.tar.gz'))
    with tarfile.open(archive) as tar:
        # 3.11.4 learnt to refuse members that would land elsewhere
        tar.extractall(unpacked, **({'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}))
    os.replace(next(unpacked.iterdir()), source)  # complete or not there at all
