"""Every module that the code imports is brought by a known ``pip install``; one that is missing is one line."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from detplug.cli import main as command
from detplug.cli.main import COMMANDS, main
from detplug.extras import BASE, FPGA, HDF5, INSTALL, RAY, REVIEW, SLIDES, TRAIN

ROOT = Path(__file__).resolve().parents[1]
OURS = {'detplug', 'plugins'}


def imports(folder: Path) -> dict[str, Path]:
    """Top-level name -> a file that imports it, for absolute imports at any place in the code."""
    names = {}
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0]: path for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names[node.module.partition('.')[0]] = path
    return names


@pytest.mark.parametrize('folder', sorted(x.name for x in (ROOT / 'plugins').iterdir() if x.is_dir()) + ['detplug'])
def test_every_import_has_an_extra(folder):
    path = ROOT / 'detplug' if folder == 'detplug' else ROOT / 'plugins' / folder
    more = {'fpga': FPGA, 'sabra': HDF5, 'microscopy': REVIEW, 'detplug': (*SLIDES, *RAY)}.get(folder, ())
    allowed = {*sys.stdlib_module_names, *OURS, *BASE, *TRAIN, *more}
    assert {name: str(file) for name, file in imports(path).items() if name not in allowed} == {}


def test_what_the_metadata_asks_for_has_names_in_the_table():
    text, distributions = (ROOT / 'setup.cfg').read_text(), packages_distributions()
    headings = dict(install_requires=BASE, train=TRAIN, fpga=FPGA, slides=SLIDES, review=REVIEW, hdf5=HDF5)
    for heading, names in headings.items():
        block = re.search(rf'^{heading} =\n((?:[ #].*\n|\n)+)', text, re.M)[1]
        asked = {canonicalize_name(Requirement(x).name) for x in map(str.strip, block.splitlines()) if x[:1].isalnum()}
        given = {canonicalize_name(x) for name in names for x in distributions.get(name, ())}
        assert asked and asked - given <= {'detplug-mmcv-ops'}, heading  # it adds a file to mmcv


@pytest.mark.parametrize('missing', ['torch', 'mmdet.apis', 'brevitas', 'cv2'])
@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_a_missing_extra_is_one_line_in_every_command(name, missing, monkeypatch, capsys):
    def absent(module):
        raise ModuleNotFoundError(f'No module named {missing!r}', name=missing)

    monkeypatch.setattr(command.importlib, 'import_module', absent)
    assert main([name, 'x']) == 2
    lines = capsys.readouterr().err.splitlines()
    extra = INSTALL[missing.partition('.')[0]]
    assert len(lines) == 1 and missing in lines[0] and f"pip install 'detplug{extra}'" in lines[0]


def test_a_module_of_nobody_is_a_bug_and_not_hidden(monkeypatch):
    def absent(module):
        raise ModuleNotFoundError('No module named nobody', name='nobody')

    monkeypatch.setattr(command.importlib, 'import_module', absent)
    with pytest.raises(ModuleNotFoundError):
        main(['train', 'x'])
