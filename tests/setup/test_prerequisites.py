"""Each thing that a machine may lack is one line with its cure."""

import subprocess
import sys

import pytest

from tools.set_up import prerequisites
from tools.set_up.failures import explain
from tools.set_up.prerequisites import GIB, SetUpError


def line_of(check, *arguments) -> str:
    with pytest.raises(SetUpError) as caught:
        check(*arguments)
    text = str(caught.value)
    assert '\n' not in text
    return text


@pytest.mark.parametrize('version', [(3, 10, 14), (3, 12, 0), (2, 7, 18)])
def test_another_python_is_named_with_the_wanted_one(version):
    line = line_of(prerequisites.check_python, version)
    assert f'{version[0]}.{version[1]}' in line and 'PYTHON=' in line


def test_python_3_11_is_right():
    prerequisites.check_python((3, 11, 0))


@pytest.mark.parametrize('missing', ['venv', 'ensurepip'])
def test_a_python_that_makes_no_environments_is_cured_by_its_package(missing):
    line = line_of(prerequisites.check_venv, lambda name: None if name == missing else object())
    assert missing in line and 'python3.11-venv' in line


def test_the_compiler_is_the_users_own_where_one_is_named(tmp_path):
    for name in ('g++', 'my-c++'):
        (tmp_path / name).write_text('')
        (tmp_path / name).chmod(0o700)
    assert prerequisites.find_compiler({'PATH': str(tmp_path)}) == str(tmp_path / 'g++')
    assert prerequisites.find_compiler({'PATH': str(tmp_path), 'CXX': 'my-c++ -m64'}) == 'my-c++ -m64'
    assert 'gone-c++' in line_of(prerequisites.find_compiler, {'PATH': str(tmp_path), 'CXX': 'gone-c++'})


def test_missing_headers_are_cured_by_their_package(tmp_path):
    assert 'python3.11-dev' in line_of(prerequisites.check_headers, tmp_path)
    (tmp_path / 'Python.h').touch()
    prerequisites.check_headers(tmp_path)


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
        ('c++: fatal error: Killed signal terminated program cc1plus', 'MAX_JOBS=1'),
        ('x.cpp:1: fatal error: Python.h: No such file or directory', 'python3.11-dev'),
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
