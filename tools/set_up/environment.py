"""The steps of a set-up. Each finds out what it has done before, so an interrupted set-up continues."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import mmcv_wheel
from .console import Console
from .prerequisites import SetUpError, check_disk, check_headers, check_venv, find_compiler, folder_size
from .stamp import Stamp

STEPS = 6
ASK_TORCH = 'import torch; print(torch.__version__, torch.cuda.is_available())'
CHECK = 'from mmcv.ops import nms; import detplug, mmdet.datasets, mmdet.models, onnxruntime, plugins'


def set_up(root: Path, stamp: Stamp) -> None:
    """Make ``root/.venv`` complete and write ``stamp``.

    Raises:
        SetUpError: the machine lacks something, or a step failed.
    """
    with _alone(root):
        if stamp.is_current():  # another call made it while this one waited
            return
        start = time.monotonic()
        _Environment(root, stamp).make()
        print(f'set-up complete in {time.monotonic() - start:.0f} s; `make doctor` checks it', flush=True)


class _Environment:
    def __init__(self, root: Path, stamp: Stamp):
        self.root, self.stamp, self.venv = root, stamp, stamp.venv
        self.python = self.venv / 'bin' / 'python'
        self.requirements = root / 'requirements'
        self.console = Console(STEPS, self.venv / 'set-up.log')
        self.cache = mmcv_wheel.cache_root(os.environ)
        self.env = _child_environment(os.environ, self.venv)

    def make(self) -> None:
        """All steps in order."""
        with self.console.step('what the machine has'):
            self._check_machine()
        with self.console.step('environment .venv'):
            self._make_venv()
        with self.console.step('torch and the build tools'):
            lock = self.requirements / 'lock.txt'
            self._pip('install', '-r', self.requirements / 'build.txt', '-c', lock, on_line=self._pip_progress)
        with self.console.step('mmcv'):
            wheel = self._mmcv()
            self._pip('install', '--no-deps', '--force-reinstall', wheel)
        with self.console.step('every other package of requirements/lock.txt'):
            self._pip('install', '--no-deps', '-r', lock, on_line=self._pip_progress)
        with self.console.step('detplug, and whether all of it loads'):
            self._pip('install', '--no-deps', '--no-build-isolation', '-e', self.root)
            self._check_loads(wheel)
        self.stamp.write()

    def _check_machine(self) -> None:
        check_venv()
        if not any(mmcv_wheel.cached(folder) for folder in self.cache.glob('wheels/*')):
            self._check_compiler()
        note = check_disk(shutil.disk_usage(self.root).free, folder_size(self.venv))
        if note:
            print(note, flush=True)

    def _check_compiler(self) -> None:
        self.env['CXX'] = find_compiler(os.environ)
        check_headers()

    def _make_venv(self) -> None:
        if self.stamp.is_of_another_folder() or not self._is_this_python():
            shutil.rmtree(self.venv, ignore_errors=True)
        self.venv.mkdir(exist_ok=True)
        self.stamp.remove()
        ready = [self.python, '-m', 'pip', '--version']
        if not self.python.exists() or subprocess.run(ready, env=self.env, capture_output=True).returncode:
            self.console.run([sys.executable, '-m', 'venv', self.venv], self.env)

    def _is_this_python(self) -> bool:
        made_by = self.venv / 'pyvenv.cfg'
        if not made_by.exists() or not self.python.exists():
            return False
        return f'version = {sys.version_info[0]}.{sys.version_info[1]}.' in made_by.read_text()

    def _mmcv(self) -> Path:
        """The wheel that fits the torch of .venv, from the cache or compiled now."""
        torch_version, has_gpu = self.console.run([self.python, '-c', ASK_TORCH], self.env).split()[-2:]
        ops = 'cuda' if has_gpu == 'True' and shutil.which('nvcc') else 'cpu'
        key = mmcv_wheel.cache_key(torch_version, ops)
        wheels, work = self.cache / 'wheels' / key, self.cache / 'build' / key
        self.console.title = f'mmcv, compiled before: {wheels}'
        if not mmcv_wheel.cached(wheels):
            work.mkdir(parents=True, exist_ok=True)
            with _alone(work):
                if not mmcv_wheel.cached(wheels):  # another project may have compiled it while this one waited
                    self.console.title = 'mmcv'
                    mmcv_wheel.keep(self._compile(ops, work), wheels)
                    self.console.title = f'mmcv, compiled and kept in {wheels}'
                shutil.rmtree(work, ignore_errors=True)
        return mmcv_wheel.cached(wheels)

    def _compile(self, ops: str, work: Path) -> Path:
        self._check_compiler()
        jobs = mmcv_wheel.jobs(os.environ)
        env = self.env | {'CFLAGS': '-O2 -g0', 'MAX_JOBS': str(jobs), 'NINJA_STATUS': '[%f/%t] '}
        if ops == 'cpu':
            env['CUDA_VISIBLE_DEVICES'] = ''  # mmcv asks for nvcc as soon as torch sees a GPU
        self.console.status(f'compiling, {jobs} files at a time; about 10 minutes on two cores, once')
        progress = mmcv_wheel.NinjaProgress(self.console.status, every=1 if self.console.live else 8)
        return mmcv_wheel.compile_wheel(partial(self._pip, env=env), self.requirements / 'mmcv.txt', work, progress)

    def _check_loads(self, wheel: Path) -> None:
        try:
            self.console.run([self.python, '-c', CHECK], self.env)
        except SetUpError as error:
            if 'mmcv' in (self.venv / 'set-up.log').read_text().rpartition('\n$ ')[2].partition('\n')[2]:
                wheel.unlink(missing_ok=True)
                raise SetUpError(f'{error}; the compiled mmcv is thrown away: `make setup` compiles it anew') from error
            raise

    def _pip(self, *words, on_line=None, env: Mapping[str, str] | None = None) -> str:
        return self.console.run([self.python, '-m', 'pip', *words], env or self.env, on_line)

    def _pip_progress(self, line: str) -> None:
        if self.console.live and line.lstrip().startswith(('Collecting', 'Downloading', 'Installing')):
            self.console.status(line.strip())


def _child_environment(environ: Mapping[str, str], venv: Path) -> dict[str, str]:
    """``environ`` as if ``venv`` were active, without what would mix other packages in."""
    mixing = ('PYTHONPATH', 'PYTHONHOME', 'PIP_USER', 'PIP_TARGET', 'PIP_PREFIX')
    env = {name: value for name, value in environ.items() if name not in mixing}
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
