"""Which Python `make` takes: the environment's own, else the first of the PATH that the packages are locked for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if shutil.which('make') is None:
    pytest.skip('make is not installed', allow_module_level=True)


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path) -> Path:
    shutil.copy(ROOT / 'Makefile', tmp_path)
    shutil.copytree(ROOT / 'tools/set_up', tmp_path / 'tools/set_up')
    for name in ('python3', 'python3.13', 'python3.12'):  # before those of this machine
        executable(tmp_path / 'bin' / name, 'exit 1\n' if name != 'python3.12' else f'exec "{sys.executable}" "$@"\n')
    return tmp_path


def python_of(project: Path, *words: str) -> str:
    of_make = ('MAKEFLAGS', 'MAKEOVERRIDES', 'MFLAGS', 'PYTHON')  # of a `make PYTHON=... test` that runs these tests
    env = {key: value for key, value in os.environ.items() if key not in of_make}
    env['PATH'] = f'{project / "bin"}{os.pathsep}{env["PATH"]}'
    done = subprocess.run(['make', '-pn', 'help', *words], cwd=project, env=env, capture_output=True, text=True)
    return re.search(r'^PYTHON :?= (.*)$', done.stdout, re.MULTILINE)[1]


def test_the_first_on_the_path_that_is_accepted(project):
    assert python_of(project) == 'python3.12'


def test_the_one_that_made_the_environment_comes_first_as_long_as_it_works(project):
    made_by = executable(project / 'elsewhere/python3', f'exec "{sys.executable}" "$@"\n')
    (project / '.venv').mkdir()
    (project / '.venv/pyvenv.cfg').write_text(f'home = x\nexecutable = {made_by}\n')
    assert python_of(project) == str(made_by)
    made_by.unlink()
    assert python_of(project) == 'python3.12'


def test_the_users_own_choice_is_taken_as_it_is(project):
    assert python_of(project, 'PYTHON=./my-python') == './my-python'


def test_a_python_that_is_not_there_is_one_line(project):
    done = subprocess.run(['make', 'setup', 'PYTHON=/my/python'], cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if not line.startswith('make')] == [
        'error: /my/python: not found; install Python 3.11, 3.12 or 3.13 or name it: make PYTHON=/path/to/python3 setup'
    ]
