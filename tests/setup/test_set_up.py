"""The whole of tools/setup.py with a fake .venv: nothing is downloaded or compiled, its calls are written down."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# stands for .venv/bin/python: notes its words, and leaves of mmcv what pip would: its record, and compiled operators
# where it was to be compiled
FAKE_PYTHON = """#!{python} -IS
import os, pathlib, sys
words = sys.argv[1:]
with open(os.environ['FAKE_CALLS'], 'a') as calls:
    print(*words, os.environ.get('PYTHONPATH', ''), file=calls)
if os.environ.get('FAKE_FAIL', 'never') in ' '.join(words):
    print(os.environ['FAKE_OUTPUT'])
    sys.exit(1)
packages = pathlib.Path(__file__).parents[1] / 'lib/python{version}/site-packages'
extension = packages / 'mmcv/_ext.cpython.so'
if 'onedl-mmcv' in words:
    for folder in (packages / 'onedl_mmcv-2.3.6.dist-info', packages / 'mmcv'):
        folder.mkdir(parents=True, exist_ok=True)
    (packages / 'onedl_mmcv-2.3.6.dist-info/RECORD').touch()
    extension.unlink(missing_ok=True)
    if '--no-build-isolation' in words and 'FAKE_NO_OPS' not in os.environ:
        extension.touch()
if 'is_available' in words[-1]:
    print(os.environ.get('FAKE_GPU', 'False'))
if '_ext.__file__' in words[-1]:
    sys.exit(not extension.exists())
"""
PURE = '--no-cache-dir --force-reinstall --no-binary onedl-mmcv'  # of an ordinary isolated build
COMPILED = '--no-build-isolation --no-cache-dir --force-reinstall --no-binary onedl-mmcv'


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Project:
    """A copy of the project's set-up files with a fake .venv; its PATH is empty."""

    def __init__(self, folder: Path):
        self.root, self.calls_file = folder / 'project', folder / 'calls'
        for name in ('requirements', 'tools/set_up'):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns('__pycache__'))
        for name in ('tools/setup.py', 'setup.cfg', 'pyproject.toml'):
            shutil.copy(ROOT / name, self.root / name)
        executable(self.root / 'mmcv_ops/mmcv/_ext.py', '')
        version = '{}.{}'.format(*sys.version_info)
        executable(self.root / '.venv/bin/python', FAKE_PYTHON.format(python=sys.executable, version=version))
        (self.root / '.venv/pyvenv.cfg').write_text(f'version = {version}.0\n')
        self.tools = folder / 'bin'
        self.env = {'PATH': str(self.tools), 'HOME': str(folder), 'FAKE_CALLS': str(self.calls_file)}

    def set_up(self, *words: str, **env: str) -> subprocess.CompletedProcess:
        """Run tools/setup.py; ``calls`` then holds what it called."""
        self.calls_file.write_text('')
        command = [sys.executable, '-S', self.root / 'tools/setup.py', *words]
        return subprocess.run(command, env=self.env | env, capture_output=True, text=True)

    def add_compiler(self) -> None:
        """A compiler on the PATH and the headers of Python, whatever this machine has."""
        executable(self.tools / 'c++', '#!/bin/sh\n')
        executable(self.tools / 'Python.h', '')
        self.env['CPATH'] = str(self.tools)

    def calls(self, word: str = '') -> list[str]:
        return [line for line in self.calls_file.read_text().splitlines() if word in line]


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def one_line(failed: subprocess.CompletedProcess) -> str:
    assert failed.returncode == 2
    assert len(failed.stderr.splitlines()) == 1 and failed.stderr.startswith('error: ')
    return failed.stderr


def test_mmcv_is_built_in_isolation_and_needs_no_compiler(project):
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    (mmcv,) = project.calls('onedl-mmcv')
    assert PURE in mmcv and '--no-build-isolation' not in mmcv
    assert [line[:5] for line in done.stdout.splitlines() if line.endswith(' s)')] == [f'[{i}/4]' for i in range(1, 5)]


def test_the_project_comes_last_and_nothing_but_torch_brings_what_it_asks_for(project):
    project.set_up()
    files = project.root / 'requirements'
    *_, torch, installed, _ = project.calls()
    assert f'-r {files}/torch.txt' in torch and '--no-deps' not in torch
    assert f'-e {project.root}' in installed and f'{project.root}/.venv/mmcv_ops' in installed
    assert all('--no-deps' in call for call in project.calls('install') if call != torch)


def test_a_second_call_starts_nothing_and_is_silent(project):
    project.set_up()
    again = project.set_up()
    assert (again.returncode, again.stdout, again.stderr, project.calls()) == (0, '', '', [])


@pytest.mark.parametrize(
    'name', ['requirements/lock.txt', 'tools/set_up/environment.py', 'setup.cfg', 'mmcv_ops/mmcv/_ext.py']
)
def test_a_change_of_what_it_is_made_from_sets_up_again_without_building_mmcv(project, name):
    project.set_up()
    with (project.root / name).open('a') as file:
        file.write('\n# changed\n')
    assert project.set_up().returncode == 0
    assert project.calls('requirements/lock.txt') and not project.calls('onedl-mmcv')


def test_what_a_build_leaves_beside_the_operators_is_not_a_change(project):
    project.set_up()
    for name in ('build/lib/mmcv/_ext.py', 'detplug_mmcv_ops.egg-info/PKG-INFO', '__pycache__/x.pyc'):
        executable(project.root / 'mmcv_ops' / name, '')
    project.set_up()
    assert not project.calls()


def test_operators_are_switched_back_and_forth_and_kept_by_a_call_that_names_none(project):
    project.add_compiler()
    for words, built in (
        ([], PURE),
        (['--ops', 'compiled'], COMPILED),
        ([], None),
        (['--ops', 'compiled'], None),
        (['--ops', 'torch'], PURE),
        (['--ops', 'torch'], None),
    ):
        done = project.set_up(*words)
        assert done.returncode == 0, done.stderr
        assert [built in call for call in project.calls('onedl-mmcv')] == [True] * bool(built)


def test_compiled_operators_that_still_load_are_not_compiled_again(project):
    project.add_compiler()
    project.set_up('--ops', 'compiled')
    (project.root / 'requirements/lock.txt').open('a').write('# changed\n')
    assert project.set_up().returncode == 0
    assert project.calls('lock.txt') and not project.calls('onedl-mmcv')
    (project.root / 'requirements/lock.txt').open('a').write('# changed\n')
    failed = project.set_up(FAKE_FAIL='_ext.__file__', FAKE_OUTPUT='undefined symbol')
    assert failed.returncode == 0
    assert project.calls(COMPILED)


def test_compiling_asks_for_a_compiler_before_anything_is_installed(project):
    line = one_line(project.set_up('--ops', 'compiled'))
    assert 'no C++ compiler' in line and 'apt install g++' in line and 'leave OPS=compiled out' in line
    assert project.calls() == []


def test_compiling_for_a_gpu_without_nvcc_is_refused(project):
    project.add_compiler()
    assert 'nvcc was not found' in one_line(project.set_up('--ops', 'compiled', FAKE_GPU='True'))
    assert not project.calls('onedl-mmcv')


def test_a_compilation_without_operators_is_refused(project):
    project.add_compiler()
    assert 'built without operators' in one_line(project.set_up('--ops', 'compiled', FAKE_NO_OPS='1'))


@pytest.mark.parametrize('words', [['--ops', 'nonsense'], ['--ops', ''], ['--ops'], ['compiled']])
def test_other_words_are_one_line_and_change_nothing(project, words):
    line = one_line(project.set_up(*words))
    assert 'torch' in line and 'compiled' in line
    assert project.calls() == []


def test_a_failed_call_is_continued_by_the_next(project):
    lock = project.root / 'requirements/lock.txt'
    assert one_line(project.set_up(FAKE_FAIL=f'-r {lock}', FAKE_OUTPUT='Read timed out.'))
    assert project.calls('onedl-mmcv')
    assert project.set_up().returncode == 0
    assert project.calls('requirements/lock.txt') and not project.calls('onedl-mmcv')


def test_an_interrupted_change_of_operators_is_continued_by_a_call_that_names_none(project):
    project.add_compiler()
    failed = project.set_up('--ops', 'compiled', FAKE_FAIL='compile.txt', FAKE_OUTPUT='Read timed out.')
    assert failed.returncode == 2
    assert project.set_up().returncode == 0
    assert project.calls(COMPILED)


@pytest.mark.parametrize(
    ('output', 'said'),
    [
        ('ERROR: NewConnectionError: [Errno -3] Temporary failure in name resolution', 'no network'),
        ('OSError: [Errno 28] No space left on device', 'the disk is full'),
    ],
)
def test_no_network_and_no_space_are_one_line_with_the_cure(project, output, said):
    failed = project.set_up(FAKE_FAIL='requirements/torch.txt', FAKE_OUTPUT=output)
    assert said in one_line(failed)
    assert output not in failed.stdout


def test_an_unknown_failure_shows_the_end_of_the_log_and_names_it(project):
    output = '\n'.join(f'line {i}' for i in range(100))
    failed = project.set_up(FAKE_FAIL='requirements/torch.txt', FAKE_OUTPUT=output)
    assert failed.returncode == 2
    assert 'line 99' in failed.stdout and 'line 50' not in failed.stdout
    log = project.root / '.venv/set-up.log'
    assert str(log) in failed.stderr and 'torch: line 50' in log.read_text()


def test_packages_of_the_users_own_folders_do_not_get_in(project):
    assert project.set_up(PYTHONPATH='elsewhere').returncode == 0
    assert project.calls() and not project.calls('elsewhere')
