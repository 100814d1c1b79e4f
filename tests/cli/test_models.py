"""The detectors that come with detplug are listed, and run by their name."""

import json

import pytest
from tiny_bundle import write_bundle, write_pictures

from detplug.cli.main import main
from detplug.runtime import bundled
from detplug.runtime.bundle import Detector

CARD = {
    'what': 'eggs',
    'data': 'drawn',
    'licence': 'Apache-2.0',
    'warning': 'not a medical device',
    'figures': {'map': 0.5, 'map50': 0.9},
}


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with one bundled detector, ``eggs``."""
    folder = write_bundle(tmp_path / 'bundles' / 'eggs')
    (folder / 'card.json').write_text(json.dumps(CARD))
    monkeypatch.setattr(bundled, 'FOLDER', tmp_path / 'bundles')
    monkeypatch.chdir(tmp_path)
    return folder


def test_they_are_listed(models, capsys):
    assert main(['models']) == 0
    out = capsys.readouterr().out
    assert 'eggs' in out and '0.900' in out and 'none is a medical device' in out
    assert main(['models', 'eggs']) == 0
    out = capsys.readouterr().out
    assert 'warning: not a medical device' in out and 'figures: map 0.5, map50 0.9' in out and 'input: 32x32' in out
    assert main(['models', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['eggs']['classes'] == ['egg', 'Würmer']
    assert main(['models', 'worms']) == 2
    assert 'worms: no such model; one of eggs' in capsys.readouterr().err


def test_one_runs_by_its_name(models, tmp_path, capsys):
    pictures = [str(path) for path in write_pictures(tmp_path / 'pictures')]
    assert main(['predict', 'eggs', *pictures, '--out', 'out']) == 0
    assert len(json.loads((tmp_path / 'out/predictions.json').read_text())) == 4
    assert Detector('eggs').folder == models and len(Detector('eggs')(pictures[0])) == 3
    assert main(['predict', 'worms', *pictures, '--out', 'out2']) == 2
    assert 'nor one of `detplug models`' in capsys.readouterr().err


def test_a_folder_of_that_name_goes_first(models, tmp_path):
    mine = write_bundle(tmp_path / 'eggs', classes=('mine', 'other'))
    assert Detector('eggs').folder.resolve() == mine and Detector('eggs').names == ('mine', 'other')
