"""Plugins of other distributions: all four doors, used without touching this project; broken ones disturb nobody."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import cv2
import numpy as np
import pytest
from third_party import BROKEN, ROSETTE, install
from tiny_bundle import write_bundle, write_pictures

from detplug import entry_points
from detplug.entry_points import load_plugin, plugin_table, plugins
from detplug.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
_base_ = ['{root}/configs/yolov5/yolov5n_parasite-samples.py']
custom_imports = dict(imports=['plugins.yolov5.register', 'rosette.model', 'rosette.formats'])
model = dict(
    type='RosetteDetector',
    backbone=dict(_delete_=True, type='RosetteBackbone', width=8),
    neck=dict(_delete_=True, type='mmdet.ChannelMapper', in_channels=[8, 8, 8], out_channels=8),
    bbox_head=dict(in_channels=[8, 8, 8]),
)
"""
CHECKPOINT = """
import sys, torch
import detplug.register
from detplug.cli.config import load_config
from detplug.cli.main import main
from mmdet.registry import MODELS
config = load_config('config.py')
classes = config.test_dataloader.dataset.metainfo.classes
state = MODELS.build(config.model).state_dict()
torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=classes))), 'weights.pth')
status = [
    main(['export', 'config.py', 'weights.pth', '--format', 'rosette', '--out', 'exported']),
    main(['predict', 'config.py', 'weights.pth', 'pictures', '--out', 'found', '--score-thr', '0']),
    main(['prepare_data', 'petals', 'pictures', '--out', 'petals']),
]
sys.exit(max(status))
"""


@pytest.fixture(scope='module')
def site(tmp_path_factory) -> Path:
    """The folder that holds both distributions, installed."""
    folder = tmp_path_factory.mktemp('third_party')
    install(folder, 'broken-thing', 'broken', 'broken_thing', BROKEN)
    return install(folder, 'detplug-rosette', 'rosette', 'rosette', ROSETTE)


def run(site: Path, folder: Path, *words) -> subprocess.CompletedProcess:
    """Python in ``folder`` with the distributions in ``site`` and this checkout."""
    env = os.environ | {'PYTHONPATH': os.pathsep.join([str(site), str(ROOT)])}
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, cwd=folder, env=env)


def check_drawn(folder: Path, name: str) -> None:
    assert (np.abs(cv2.imread(str(folder / name))[2:6, -6:-2].astype(int) - (255, 0, 0)) < 60).all()


def test_a_backbone_a_format_a_field_of_a_checkpoint_and_a_data_source(site, tmp_path):
    write_pictures(tmp_path / 'pictures')
    (tmp_path / 'config.py').write_text(CONFIG.format(root=ROOT))
    done = run(site, tmp_path, '-c', CHECKPOINT)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / 'exported' / 'manifest.json').read_text())
    assert manifest['format'] == 'rosette' and (tmp_path / 'exported' / 'rosette.txt').read_text().isdecimal()
    rows = json.loads((tmp_path / 'found' / 'predictions.json').read_text())
    assert rows and all(row['age'] == f'{row["category_id"] - 0.5:.2f} days' for row in rows)
    check_drawn(tmp_path / 'found', 'pictures/0001_bright.jpg')
    assert (tmp_path / 'petals' / 'petals.json').read_text() == '[]'
    assert [line for line in done.stderr.splitlines() if 'broken' in line]  # named, and nothing stopped


def test_a_field_of_a_bundle_without_torch(site, tmp_path):
    write_bundle(tmp_path / 'bundle')
    write_pictures(tmp_path / 'pictures')
    code = "import sys; sys.modules['torch'] = None; from detplug.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = run(site, tmp_path, '-c', code, 'predict', 'bundle', 'pictures/bright.png', '--out', 'found')
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 'found' / 'predictions.json').read_text())
    assert [row['age'] for row in rows] == ['7.50 days', '2.25 days', '31.00 days']
    check_drawn(tmp_path / 'found', 'pictures/0001_bright.jpg')
    assert len(done.stderr.splitlines()) == 1 and 'broken' in done.stderr and 'uninstall broken-thing' in done.stderr


def test_a_broken_plugin_is_one_line_that_names_it(site, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(site))
    theirs = [point for point in plugins() if point.name in ('broken', 'rosette')]
    assert len(theirs) == 2
    with pytest.raises(UserError, match=r'plugin broken \(broken_thing\): .*nowhere_at_all.*uninstall broken-thing'):
        load_plugin('broken')
    load_plugin('a name that no plugin has')
    monkeypatch.setattr(entry_points, 'plugins', lambda: theirs)
    assert list(plugin_table('data_sources', 'NOTHING', {'ours': 1})) == ['ours']
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(' (')[0] for line in lines] == ['warning: plugin broken', 'warning: plugin rosette']
    assert 'nowhere_at_all' in lines[0] and "no attribute 'NOTHING'" in lines[1]


def test_a_name_that_is_taken_stays_with_the_first(site, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(site))
    rosette = [point for point in plugins() if point.name == 'rosette']
    monkeypatch.setattr(entry_points, 'plugins', lambda: rosette)
    assert plugin_table('data_sources', 'SOURCES', {'petals': 'ours'}) == {'petals': 'ours'}
    assert "plugin rosette: data_sources.SOURCES: 'petals' is taken; left out" in capsys.readouterr().err


def test_two_plugins_of_one_name_are_never_guessed_between(monkeypatch):
    points = [EntryPoint('eggs', module, entry_points.GROUP) for module in ('json', 'difflib')]
    monkeypatch.setattr(entry_points, 'entry_points', lambda group: points)
    with pytest.raises(UserError, match='plugin eggs: json and difflib both have one'):
        load_plugin('eggs')


def test_a_plugin_without_the_file_is_not_imported(tmp_path, monkeypatch, capsys):
    for name, text in (('with_table', ''), ('without_table', "raise RuntimeError('imported')")):
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text(text)
    (tmp_path / 'with_table' / 'data_sources.py').write_text("SOURCES = {'mine': 1}")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint(name, name, entry_points.GROUP) for name in ('without_table', 'with_table', 'gone_since')]
    monkeypatch.setattr(entry_points, 'entry_points', lambda group: points)
    assert plugin_table('data_sources', 'SOURCES', {'ours': 0}) == {'ours': 0, 'mine': 1}
    line = 'warning: plugin gone_since (gone_since): ModuleNotFoundError: no package gone_since; mend or uninstall '
    assert capsys.readouterr().err == f'{line}gone_since; left out\n'
    monkeypatch.delitem(sys.modules, 'with_table.data_sources')
    monkeypatch.delitem(sys.modules, 'with_table')


def test_without_an_installation_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(entry_points, 'entry_points', lambda group: ())
    with pytest.raises(UserError, match=r'not installed in this Python.*pip install -e \.'):
        load_plugin('fpga')
