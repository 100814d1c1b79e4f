"""`make setup OPS=compiled`: mmcv with its own operators, compiled against the torch of .venv."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .console import Console
from .prerequisites import GIB, check_headers, find_compiler
from .supported import SetUpError

HAS_GPU = 'import torch; print(torch.cuda.is_available())'
LOADS = 'import mmcv._ext; assert not mmcv._ext.__file__.endswith(".py")'


def check_machine(environ: Mapping[str, str]) -> None:
    """Raise SetUpError unless there are a C++ compiler and the headers of this Python."""
    find_compiler(environ)
    check_headers(environ)


def extensions(packages: Path) -> list[Path]:
    """The compiled operators in the folder ``packages``; empty for a pure Python mmcv."""
    return [*packages.glob('mmcv/_ext.*.so'), *packages.glob('mmcv/_ext.*.pyd')]


def install(console: Console, python: Path, pip: Sequence, packages: Path, env: Mapping[str, str]) -> None:
    """Run ``pip``, which compiles mmcv, unless one that loads is there already.

    Raises:
        SetUpError: there is a GPU but no nvcc, the compiler failed, or what it made has no operators.
    """
    if extensions(packages) and console.succeeds([python, '-c', LOADS], env):
        return
    has_gpu = console.run([python, '-c', HAS_GPU], env).split()[-1] == 'True'
    if has_gpu and not shutil.which('nvcc', path=env['PATH']):
        raise SetUpError(
            'OPS=compiled: nvcc was not found, and without it the operators would not run on the GPU of this machine; '
            'put the nvcc of the CUDA toolkit on the PATH, or say `make setup OPS=torch`, which needs none'
        )
    flags = {'CXX': find_compiler(env), 'CFLAGS': '-O2 -g0', 'MAX_JOBS': str(jobs(env))}
    if not has_gpu:
        flags['CUDA_VISIBLE_DEVICES'] = ''  # mmcv asks for nvcc as soon as torch sees a GPU
    console.run(pip, {**env, **flags})
    if not extensions(packages):
        raise SetUpError(f'{packages / "mmcv"}: built without operators; read {console.log}')


def jobs(environ: Mapping[str, str]) -> int:
    """Compilers to run at a time: $MAX_JOBS, or every core for which there is a GiB of memory."""
    if environ.get('MAX_JOBS', '').isdigit():
        return max(int(environ['MAX_JOBS']), 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIB
    return max(min(cores, int(memory)), 1)
