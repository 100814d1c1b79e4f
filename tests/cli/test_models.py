"""The detectors that come with detplug are listed, and run by their name."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import write_bundle, write_pictures

from detplug.cli.main import main
from detplug.runtime import bundled
from detplug.runtime.bundle import Detector
from plugins.samples.parasites import generate

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {'what', 'data', 'licence', 'intended use', 'limits', 'warning', 'command', 'commit'}  # entries of a card
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
    manifest = json.loads((folder / 'manifest.json').read_text())
    manifest['letterbox']['scale'] = [32, 32]
    (folder / 'manifest.json').write_text(json.dumps(manifest))
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


def test_a_narrow_screen_cuts_nothing_off(models, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '60')
    (models / 'card.json').write_text(json.dumps(CARD | {'data': 'drawn_by_a_program_with_a_very_long_name_indeed'}))
    assert main(['models']) == 0
    out = capsys.readouterr().out
    assert '…' not in out and max(map(len, out.splitlines())) <= 60


def test_one_runs_by_its_name(models, tmp_path, capsys):
    pictures = [str(path) for path in write_pictures(tmp_path / 'pictures')]
    assert main(['predict', 'eggs', *pictures, '--out', 'out']) == 0
    assert len(json.loads((tmp_path / 'out/predictions.json').read_text())) == 4
    assert Detector('eggs').folder == models and len(Detector('eggs')(pictures[0])) == 3
    assert main(['predict', 'worms', *pictures, '--out', 'out2']) == 2
    assert 'nor one of `detplug models`\n' in capsys.readouterr().err
    assert main(['predict', 'egg', *pictures, '--out', 'out2']) == 2
    assert 'did you mean eggs?' in capsys.readouterr().err


def test_a_folder_of_that_name_goes_first(models, tmp_path):
    mine = write_bundle(tmp_path / 'eggs', classes=('mine', 'other'))
    assert Detector('eggs').folder.resolve() == mine and Detector('eggs').names == ('mine', 'other')


REAL = bundled.bundled()


def test_there_are_models():
    assert set(REAL) == {'blood-cells', 'parasite-eggs', 'vcoco-relations'}


@pytest.mark.parametrize('name', ['blood-cells', 'parasite-eggs'])
def test_each_is_small_good_enough_and_has_a_whole_card(name):
    files = sum(path.stat().st_size for path in REAL[name].iterdir())
    card = bundled.card_of(REAL[name])
    assert files <= 2e6 and card['figures']['map50'] >= 0.85
    assert card.keys() >= WHOLE
    assert 'not a medical device' in card['warning']
    figures = json.loads((ROOT / 'benchmarks/results/bundled_models.json').read_text())['figures']
    assert card['figures']['map50'] == round(figures[f'{name}.map50'], 3)
    assert set(card['ap50 of classes']) == set(Detector(name).names)


def test_the_relations_are_small_better_than_their_baseline_and_have_a_whole_card(capsys):
    folder = REAL['vcoco-relations']
    card = bundled.card_of(folder)
    figures = json.loads((ROOT / 'benchmarks/results/bundled_relations.json').read_text())['figures']
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2e6 and card.keys() >= WHOLE
    assert list(card['figures'].values()) == [
        round(figures[name] / 100, 3) for name in ('truth_s1', 'truth_s2', 'noise_s1', 'noise_s2')
    ]
    assert all(figures[name] > figures[f'prior_{name}'] for name in ('truth_s1', 'truth_s2', 'noise_s1', 'noise_s2'))
    assert main(['models', 'vcoco-relations']) == 0
    out = capsys.readouterr().out
    assert 'input: boxes' in out and 'CC BY 4.0' in out and 'classes: person, bicycle' in out


def test_the_eggs_are_found_on_a_new_slide(tmp_path):
    """Of another seed than those that it was trained on."""
    slides = generate(tmp_path / 'slides', counts=dict(train=1, val=1, test=4), seed=99)
    content = json.loads((slides / 'annotations/test.json').read_text())
    names = {category['id']: category['name'] for category in content['categories']}
    detector, known = Detector('parasite-eggs'), 0
    wanted = [row for row in content['annotations'] if names[row['category_id']] in detector.names]
    for image in content['images']:
        found = detector(slides / 'images' / image['file_name']).above(0.25)
        for row in wanted:
            if row['image_id'] == image['id'] and len(found):
                x, y, w, h = row['bbox']
                centre = np.array([x + w / 2, y + h / 2])
                hit = ((found.boxes[:, :2] < centre) & (centre < found.boxes[:, 2:])).all(1)
                known += any(found.names[label] == names[row['category_id']] for label in found.labels[hit])
    assert known >= 0.6 * len(wanted) > 3
