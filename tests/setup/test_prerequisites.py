"""Each thing that a machine may lack is one line with its cure."""

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tools.set_up import compiled, prerequisites, supported
from tools.set_up.failures import explain
from tools.set_up.prerequisites import GIB
from tools.set_up.supported import SetUpError

ROOT = Path(__file__).resolve().parents[2]


def line_of(check, *arguments) -> str:
    with pytest.raises(SetUpError) as caught:
        check(*arguments)
    text = str(caught.value)
    assert '\n' not in text
    return text


@pytest.mark.parametrize('version', [(2, 7, 18), (3, 10, 14), (3, 14, 0)])
def test_another_python_is_named_with_the_wanted_ones(version):
    line = line_of(supported.check_python, version)
    assert f'{version[0]}.{version[1]}:' in line and '3.11, 3.12, 3.13' in line and 'PYTHON=' in line


def test_the_pythons_of_the_set_up_are_those_of_the_metadata():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / 'setup.cfg')
    accepted = SpecifierSet(metadata['options']['python_requires'])
    assert {(3, minor) for minor in range(30) if accepted.contains(f'3.{minor}.9')} == set(supported.PYTHONS)
    for version in supported.PYTHONS:
        supported.check_python((*version, 0))


@pytest.mark.parametrize('name', ['tools/setup.py', 'tools/set_up/__init__.py', 'tools/set_up/supported.py'])
def test_what_an_old_python_reads_before_it_is_refused_has_nothing_new(name):
    """Python 2.7 and 3.0 have no annotations of this kind, no f-strings, one print and no pathlib."""
    tree = ast.parse((ROOT / name).read_text())
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        assert not isinstance(node, new), ast.unparse(node)
        assert not isinstance(node, ast.FunctionDef) or node.returns is None
        assert not isinstance(node, ast.Name) or node.id != 'print'
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {'os', 'sys'}


@pytest.mark.parametrize('missing', ['venv', 'ensurepip'])
def test_a_python_that_makes_no_environments_is_cured_by_its_package(missing):
    line = line_of(prerequisites.check_venv, lambda name: None if name == missing else object())
    assert missing in line and 'python3-venv' in line


def test_the_compiler_is_the_users_own_where_one_is_named(tmp_path):
    for name in ('g++', 'my-c++'):
        (tmp_path / name).write_text('')
        (tmp_path / name).chmod(0o700)
    assert prerequisites.find_compiler({'PATH': str(tmp_path)}) == str(tmp_path / 'g++')
    assert prerequisites.find_compiler({'PATH': str(tmp_path), 'CXX': 'my-c++ -m64'}) == 'my-c++ -m64'
    assert 'gone-c++' in line_of(prerequisites.find_compiler, {'PATH': str(tmp_path), 'CXX': 'gone-c++'})


def test_missing_headers_are_cured_by_their_package(tmp_path):
    assert 'python3-dev' in line_of(prerequisites.check_headers, {'CPATH': str(tmp_path)}, tmp_path / 'include')
    (tmp_path / 'Python.h').touch()
    prerequisites.check_headers({}, tmp_path)
    prerequisites.check_headers({'CPATH': f'elsewhere{os.pathsep}{tmp_path}'}, tmp_path / 'include')


def test_compilers_at_a_time_follow_the_user_and_are_at_least_one():
    assert compiled.jobs({'MAX_JOBS': '3'}) == 3
    assert compiled.jobs({'MAX_JOBS': '0'}) == 1
    assert compiled.jobs({}) >= 1


def test_too_little_disk_says_how_much_is_there_and_needed():
    line = line_of(prerequisites.check_disk, GIB)
    assert '1.0 GiB' in line and f'{prerequisites.NEEDED_GIB:.1f} GiB' in line


def test_what_is_installed_needs_no_room_again():
    assert 'CPU build' in prerequisites.check_disk(GIB, there=2 * GIB)
    assert prerequisites.check_disk(20 * GIB) == ''


@pytest.mark.parametrize(
    ('output', 'cure'),
    [
        ('OSError: [Errno 28] No space left on device\nNo matching distribution found for torch', 'TMPDIR'),
        ('[Errno 101] Network is unreachable\nERROR: No matching distribution found for torch==2.13.0', 'PIP_PROXY'),
        ('ERROR: No matching distribution found for rich==99', 'rich==99'),
        ('c++: fatal error: Killed signal terminated program cc1plus', 'OPS=compiled set MAX_JOBS=1'),
        ('x.cpp:1: fatal error: Python.h: No such file or directory', 'python3-dev'),
        ("error: [Errno 13] Permission denied: '.venv'", "Permission denied: '.venv'"),
    ],
)
def test_known_failures_have_their_cure_in_one_line(output, cure):
    line = explain(output.splitlines(keepends=True))
    assert cure in line and '\n' not in line and 'same command' in line


def test_an_unknown_failure_is_not_explained():
    assert explain(['something else went wrong\n']) is None


def test_what_pip_says_without_a_network_is_recognised():
    """The oracle is pip itself, sent to a port where nobody listens."""
    options = ['--isolated', 'download', '--retries', '1', '--no-deps', '--index-url', 'http://127.0.0.1:9/simple']
    pip = subprocess.run([sys.executable, '-m', 'pip', *options, 'torch'], capture_output=True, text=True)
    assert pip.returncode != 0
    assert explain([pip.stdout, pip.stderr]).startswith('no network')
