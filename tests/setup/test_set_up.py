"""The whole of tools/setup.py with a fake .venv: nothing is downloaded or compiled, its calls are written down."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# stands for .venv/bin/python: notes its words, and does just enough of `pip download` and `pip wheel` of mmcv
FAKE_PYTHON = """#!{python}
import io, os, pathlib, signal, sys, tarfile, zipfile
words = sys.argv[1:]
with open(os.environ['FAKE_CALLS'], 'a') as calls:
    print(*words, os.environ.get('PYTHONPATH', ''), file=calls)
if os.environ.get('FAKE_FAIL', 'never') in ' '.join(words):
    print(os.environ['FAKE_OUTPUT'])
    sys.exit(1)
if words[0] == '-c' and 'torch.__version__' in words[1]:
    print('2.13.0+fake False')
if 'download' in words:
    folder = pathlib.Path(words[words.index('-d') + 1])
    folder.mkdir()
    with tarfile.open(folder / 'onedl_mmcv-2.3.6.tar.gz', 'w:gz') as tar:
        tar.addfile(tarfile.TarInfo('onedl_mmcv-2.3.6/setup.py'), io.BytesIO())
if 'wheel' in words:
    if 'FAKE_KILL' in os.environ:
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)
    print('  [8/16] c++ -O2', '  [16/16] c++ -O2', sep='\\n')
    folder = pathlib.Path(words[words.index('-w') + 1])
    folder.mkdir()
    with zipfile.ZipFile(folder / 'onedl_mmcv-2.3.6-cp311-cp311-any.whl', 'w') as wheel:
        wheel.writestr('mmcv/_ext.cpython-311.so', '')
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class Project:
    """A copy of the project's set-up files with a fake .venv; its PATH holds nothing but a fake compiler."""

    def __init__(self, folder: Path):
        self.root, self.calls_file = folder / 'project', folder / 'calls'
        for name in ('requirements', 'tools/set_up'):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns('__pycache__'))
        for name in ('tools/setup.py', 'setup.cfg', 'pyproject.toml'):
            shutil.copy(ROOT / name, self.root / name)
        executable(self.root / '.venv/bin/python', FAKE_PYTHON.format(python=sys.executable))
        (self.root / '.venv/pyvenv.cfg').write_text('version = {}.{}.0\n'.format(*sys.version_info))
        executable(folder / 'bin/c++', '#!/bin/sh\n')
        self.env = {
            'PATH': str(folder / 'bin'),
            'HOME': str(folder),
            'XDG_CACHE_HOME': str(folder / 'cache'),
            'FAKE_CALLS': str(self.calls_file),
        }

    def set_up(self, **env: str) -> subprocess.CompletedProcess:
        """Run tools/setup.py; ``calls`` then holds what it called."""
        self.calls_file.write_text('')
        command = [sys.executable, self.root / 'tools/setup.py']
        return subprocess.run(command, env=self.env | env, capture_output=True, text=True)

    def calls(self, word: str = '') -> list[str]:
        return [line for line in self.calls_file.read_text().splitlines() if word in line]


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def test_torch_comes_first_then_mmcv_against_it_then_the_rest(project):
    done = project.set_up()
    assert done.returncode == 0, done.stderr
    files = project.root / 'requirements'
    words = [
        f'-r {files}/build.txt',
        'pip download',
        'pip wheel',
        'any.whl',
        f'-r {files}/lock.txt',
        f'-e {project.root}',
    ]
    positions = [next(i for i, call in enumerate(project.calls()) if word in call) for word in words]
    assert positions == sorted(positions)
    assert '--no-build-isolation' in project.calls('pip wheel')[0]
    assert all('--no-deps' in call for call in project.calls('install') if 'build.txt' not in call)
    assert 'compiled 8/16 files' in done.stdout
    assert [line[:5] for line in done.stdout.splitlines() if line.endswith(' s)')] == [f'[{i}/6]' for i in range(1, 7)]


def test_a_second_call_starts_nothing_and_is_silent(project):
    project.set_up()
    again = project.set_up()
    assert (again.returncode, again.stdout, again.stderr, project.calls()) == (0, '', '', [])


@pytest.mark.parametrize('name', ['requirements/lock.txt', 'tools/set_up/environment.py', 'setup.cfg'])
def test_a_change_of_what_it_is_made_from_sets_up_again_without_compiling(project, name):
    project.set_up()
    with (project.root / name).open('a') as file:
        file.write('\n# changed\n')
    assert project.set_up().returncode == 0
    assert project.calls('requirements/lock.txt')
    assert not project.calls('pip wheel')


def test_another_project_takes_the_compiled_mmcv_from_the_cache_and_needs_no_compiler(project, tmp_path):
    project.set_up()
    other = Project(tmp_path / 'other')
    done = other.set_up(XDG_CACHE_HOME=project.env['XDG_CACHE_HOME'], PATH='')
    assert done.returncode == 0, done.stderr
    assert not other.calls('pip wheel')


def test_a_failed_call_is_continued_by_the_next(project):
    lock = project.root / 'requirements/lock.txt'
    failed = project.set_up(FAKE_FAIL=f'-r {lock}', FAKE_OUTPUT='Read timed out.')
    assert failed.returncode == 2
    assert project.calls('pip wheel')
    assert project.set_up().returncode == 0
    assert not project.calls('pip wheel')
    assert project.calls('requirements/lock.txt')


def test_a_compilation_that_was_killed_is_continued_in_the_same_folder(project):
    assert project.set_up(FAKE_KILL='1').returncode < 0
    killed = project.calls('pip wheel')
    assert project.set_up().returncode == 0
    assert project.calls('pip wheel') == killed  # ninja finds there what is compiled
    assert not project.calls('pip download')
    assert not list(Path(project.env['XDG_CACHE_HOME']).glob('detplug/build/*'))


def test_no_compiler_is_one_line_with_the_cure(project):
    failed = project.set_up(PATH='')
    assert failed.returncode == 2
    assert len(failed.stderr.splitlines()) == 1
    assert 'no C++ compiler' in failed.stderr and 'apt install g++' in failed.stderr
    assert project.calls() == []


def test_no_network_is_one_line_with_the_cure(project):
    output = 'ERROR: NewConnectionError: [Errno -3] Temporary failure in name resolution'
    failed = project.set_up(FAKE_FAIL='requirements/build.txt', FAKE_OUTPUT=output)
    assert failed.returncode == 2
    assert len(failed.stderr.splitlines()) == 1
    assert 'no network' in failed.stderr and 'PIP_INDEX_URL' in failed.stderr
    assert 'NewConnectionError' not in failed.stdout


def test_an_unknown_failure_shows_the_end_of_the_log_and_names_it(project):
    output = '\n'.join(f'line {i}' for i in range(100))
    failed = project.set_up(FAKE_FAIL='requirements/build.txt', FAKE_OUTPUT=output)
    assert failed.returncode == 2
    assert 'line 99' in failed.stdout and 'line 50' not in failed.stdout
    log = project.root / '.venv/set-up.log'
    assert str(log) in failed.stderr and 'line 50' in log.read_text()


def test_a_compiled_mmcv_that_does_not_load_is_thrown_away(project):
    output = 'ImportError: mmcv/_ext.so: undefined symbol'
    failed = project.set_up(FAKE_FAIL='from mmcv.ops', FAKE_OUTPUT=output)
    assert failed.returncode == 2 and 'thrown away' in failed.stderr
    assert project.set_up().returncode == 0
    assert project.calls('pip wheel')


def test_packages_of_the_users_own_folders_do_not_get_in(project):
    assert project.set_up(PYTHONPATH='elsewhere').returncode == 0
    assert project.calls() and not project.calls('elsewhere')
