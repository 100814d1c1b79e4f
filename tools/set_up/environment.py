"""The steps of a set-up. Each finds out what it has done before, so an interrupted set-up continues."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import compiled
from .console import Console
from .prerequisites import check_disk, check_venv, folder_size
from .stamp import Stamp

STEPS = {'torch': 4, 'compiled': 5}
CHECK = 'from mmcv.ops import nms; import detplug, mmdet.datasets, mmdet.models, onnxruntime, plugins'


def set_up(root: Path, stamp: Stamp, ops: str) -> None:
    """Make ``root/.venv`` complete and write ``stamp``.

    Args:
        ops: mmcv's operators, one of :data:`set_up.stamp.OPS`.

    Raises:
        SetUpError: the machine lacks something, or a step failed.
    """
    with _alone(root):
        if stamp.is_current(ops):  # another call made it while this one waited
            return
        start = time.monotonic()
        _Environment(root, stamp, ops).make()
        print(f'set-up complete in {time.monotonic() - start:.0f} s; `make doctor` checks it', flush=True)


class _Environment:
    def __init__(self, root: Path, stamp: Stamp, ops: str):
        self.root, self.stamp, self.ops, self.venv = root, stamp, ops, stamp.venv
        self.python = self.venv / 'bin' / 'python'
        self.requirements = root / 'requirements'
        self.console = Console(STEPS[ops], self.venv / 'set-up.log')
        self.lock = root / 'requirements' / 'lock.txt'
        self.env = _child_environment(os.environ, self.venv)

    def make(self) -> None:
        """All steps in order."""
        with self.console.step('what the machine has'):
            self._check_machine()
        with self.console.step('environment .venv'):
            self._make_venv()
        with self.console.step('torch, mmcv and the packages of requirements/lock.txt'):
            self._install_packages()
        if self.ops == 'compiled':
            with self.console.step('mmcv, compiled: about 10 minutes on two cores'):
                self._compile_mmcv()
        with self.console.step('detplug, its operators for mmcv, and whether all of it loads'):
            self._install_project()
        self.stamp.complete(self.ops)

    def _check_machine(self) -> None:
        check_venv()
        if self.ops == 'compiled':
            compiled.check_machine(os.environ)
        note = check_disk(shutil.disk_usage(self.root).free, folder_size(self.venv))
        if note:
            print(note, flush=True)

    def _make_venv(self) -> None:
        if self.stamp.is_of_another_folder() or not self._is_this_python():
            shutil.rmtree(self.venv, ignore_errors=True)
        self.venv.mkdir(exist_ok=True)
        self.stamp.begin(self.ops)
        ready = [self.python, '-m', 'pip', '--version']
        if not self.python.exists() or subprocess.run(ready, env=self.env, capture_output=True).returncode:
            self.console.run([sys.executable, '-m', 'venv', self.venv], self.env)
        self.console.run(self._install('--no-deps', '--upgrade', 'pip', '-c', self.lock), self.env)

    def _is_this_python(self) -> bool:
        made_by = self.venv / 'pyvenv.cfg'
        if not made_by.exists() or not self.python.exists():
            return False
        return f'version = {sys.version_info[0]}.{sys.version_info[1]}.' in made_by.read_text()

    def _install_packages(self) -> None:
        """Three pips at a time, which share no package; then what a CUDA build of torch asks for beside the lock."""
        torch = ('-r', self.requirements / 'torch.txt')
        isolated = ('--no-deps', '--build-constraint', self.lock)
        jobs = {
            'torch': self._install('--no-deps', *torch),
            'lock': self._install(*isolated, '-r', self.lock),
        }
        if self.ops == 'torch' and not self._has_pure_mmcv():
            # not from pip's cache, which cannot tell this wheel from a compiled one
            words = ('--no-cache-dir', '--force-reinstall', '--no-binary', 'onedl-mmcv')
            jobs['mmcv'] = self._install(*isolated, *words, '-r', self.requirements / 'mmcv.txt')
        self.console.run_together(jobs, self.env)
        self.console.run(self._install(*torch, '-c', self.lock), self.env)

    def _has_pure_mmcv(self) -> bool:
        wanted = (self.requirements / 'mmcv.txt').read_text().split()[-1].replace('-', '_').replace('==', '-')
        return any(self._packages().glob(f'{wanted}.dist-info/RECORD')) and not compiled.extensions(self._packages())

    def _compile_mmcv(self) -> None:
        self.console.run(self._install('--no-deps', '-r', self.requirements / 'compile.txt'), self.env)
        words = ('-v', '--no-deps', '--no-build-isolation', '--no-cache-dir', '--force-reinstall')
        install = self._install(*words, '--no-binary', 'onedl-mmcv', '-r', self.requirements / 'mmcv.txt')
        compiled.install(self.console, self.python, install, self._packages(), self.env)

    def _install_project(self) -> None:
        sources = self.venv / 'mmcv_ops'  # a copy: a build leaves its files beside the sources
        shutil.rmtree(sources, ignore_errors=True)
        shutil.copytree(self.root / 'mmcv_ops', sources)
        words = ('--no-deps', '--no-build-isolation', '--force-reinstall')
        self.console.run(self._install(*words, sources, '-e', self.root), self.env)
        self.console.run([self.python, '-c', CHECK], self.env)

    def _install(self, *words) -> list:
        # what is imported is byte-compiled at its first import; all files would take a minute of two cores
        return [self.python, '-m', 'pip', 'install', '--no-compile', *words]

    def _packages(self) -> Path:
        return self.venv / 'lib' / f'python{sys.version_info[0]}.{sys.version_info[1]}' / 'site-packages'


def _child_environment(environ: Mapping[str, str], venv: Path) -> dict[str, str]:
    """``environ`` as if ``venv`` were active, without what would mix other packages in.

    The last step imports most packages, which byte-compiles them once for all later starts: even where
    PYTHONDONTWRITEBYTECODE is set, without which every start would take 15 s.
    """
    left_out = ('PYTHONPATH', 'PYTHONHOME', 'PIP_USER', 'PIP_TARGET', 'PIP_PREFIX', 'PYTHONDONTWRITEBYTECODE')
    env = {name: value for name, value in environ.items() if name not in left_out}
    env['PATH'] = str(venv / 'bin') + os.pathsep + environ.get('PATH', os.defpath)  # torch looks for ninja there
    return env | {'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'PIP_NO_INPUT': '1', 'NO_ALBUMENTATIONS_UPDATE': '1'}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One set-up at a time works on ``folder``; a second one waits."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
