"""A folder of the user's own called ``plugins`` that hides ours is one line in every command, and in Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detplug.cli.main import COMMANDS, main
from detplug.errors import UserError
from detplug.shadowed import check_plugins

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(params=['package', 'module', 'folder'])
def hidden(request, tmp_path, monkeypatch) -> Path:
    """The user's own ``plugins``, first in sys.path, of which nothing is imported yet; its path.

    A folder without ``__init__.py`` hides only packages that an import hook finds, as ``pip install -e`` makes them.
    """
    mine = tmp_path / ('plugins.py' if request.param == 'module' else 'plugins')
    if request.param == 'module':
        mine.write_text('raise RuntimeError("it is not imported")')
    else:
        mine.mkdir()
    if request.param == 'package':
        (mine / '__init__.py').write_text('raise RuntimeError("it is not imported")')
    path = [str(tmp_path), *sys.path]
    if request.param == 'folder':
        path = [name for name in path if not (Path(name or '.') / 'plugins' / '__init__.py').exists()]
    monkeypatch.setattr(sys, 'path', path)
    for name in [x for x in sys.modules if x.partition('.')[0] == 'plugins']:
        monkeypatch.delitem(sys.modules, name)
    return mine


@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_every_command_names_the_folder_and_the_cure(name, hidden, capsys):
    assert main([name, '--help']) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f'error: {hidden}: hides') and 'rename it' in lines[0]


def test_python_code_that_registers_the_parts_is_told(hidden, monkeypatch):
    monkeypatch.delitem(sys.modules, 'detplug.register', raising=False)
    with pytest.raises(UserError, match='hides the plugins of detplug'):
        __import__('detplug.register')


def test_ours_are_not_hidden_and_none_at_all_is_no_shadow(monkeypatch):
    check_plugins()
    monkeypatch.setattr('detplug.shadowed.find_spec', lambda name: None)
    check_plugins()


@pytest.mark.parametrize('where', ['PYTHONPATH', 'beside the script'])
def test_a_process_of_its_own(where, tmp_path):
    (tmp_path / 'plugins').mkdir()
    (tmp_path / 'plugins' / '__init__.py').touch()
    script = tmp_path / 'mine.py'
    script.write_text("import sys; from detplug.cli.main import main; sys.exit(main(['doctor', '--help']))")
    first = [str(tmp_path)] if where == 'PYTHONPATH' else []
    env = os.environ | {'PYTHONPATH': os.pathsep.join([*first, str(ROOT)])}
    argv = [str(ROOT / 'tools' / 'doctor.py'), '--help'] if first else [str(script)]
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert str(tmp_path / 'plugins') in done.stderr
