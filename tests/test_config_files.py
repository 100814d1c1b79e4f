"""Where the shipped configs are, from a checkout and from an installed package."""

import shutil
from pathlib import Path

import pytest

from detplug import config_files
from detplug.config_files import configs_folder
from detplug.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def test_a_checkout_has_its_configs_beside_the_package():
    assert configs_folder() == ROOT / 'configs'


def test_an_installed_package_has_them_inside_whatever_lies_beside_it(tmp_path, monkeypatch):
    for folder in ('detplug/configs', 'configs'):
        shutil.copytree(ROOT / 'configs' / '_base_' / 'names', tmp_path / folder / '_base_')
    monkeypatch.setattr(config_files, '__file__', str(tmp_path / 'detplug' / 'config_files.py'))
    assert configs_folder() == tmp_path / 'detplug' / 'configs'
    shutil.rmtree(tmp_path / 'detplug' / 'configs')
    assert configs_folder() == tmp_path / 'configs'


def test_a_package_without_configs_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(config_files, '__file__', str(tmp_path / 'detplug' / 'config_files.py'))
    with pytest.raises(UserError, match='configs are missing'):
        configs_folder()
