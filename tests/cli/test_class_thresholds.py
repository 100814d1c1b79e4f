"""``predict --score-thr CLASS=T`` and thresholds that a bundle was calibrated to: tables, json and pictures agree."""

import json

import cv2
import numpy as np
import pytest
from tiny_bundle import write_bundle, write_pictures

from detplug import Detector
from detplug.cli.main import main
from detplug.errors import UserError
from detplug.runtime.results import read_results
from detplug.runtime.tables import read_table


@pytest.fixture
def bundle(tmp_path):
    """Of a white picture: egg .9, Würmer .6, egg .3."""
    return write_bundle(tmp_path / 'bundle')


@pytest.fixture
def calibrated(bundle):
    manifest = json.loads((bundle / 'manifest.json').read_text())
    manifest['counting'] = dict(classes={'egg': dict(threshold=0.5)})
    (bundle / 'manifest.json').write_text(json.dumps(manifest))
    return bundle


def predict(bundle, tmp_path, *words) -> tuple[list, np.ndarray]:
    """(names and scores of predictions.json, the drawn picture); the tables have the same."""
    picture = write_pictures(tmp_path / 'pictures')[0]
    out = tmp_path / 'out'
    assert main(['predict', str(bundle), str(picture), '--out', str(out), '--overwrite', *words]) == 0
    rows = [
        (row['category_name'], round(row['score'], 3)) for row in json.loads((out / 'predictions.json').read_text())
    ]
    table = read_table(out / 'part-00000.parquet')
    assert rows == [(n, round(s, 3)) for n, s in zip(table['category_name'], table['score'], strict=True)]
    kept = next(read_results(out).pictures())
    assert list(kept.names) == [name for name, _ in rows]
    return rows, cv2.imread(str(out / 'pictures' / '0001_bright.jpg')).astype(int)


EGG, WORM, LOW = ('egg', 0.9), ('Würmer', 0.6), ('egg', 0.3)


def test_a_threshold_of_a_class(bundle, tmp_path, capsys):
    rows, whole = predict(bundle, tmp_path)
    assert rows == [EGG, WORM, LOW] and 'thresholds' not in capsys.readouterr().out
    rows, drawn = predict(bundle, tmp_path, '--score-thr', 'Würmer=0.7')
    assert rows == [EGG, LOW] and 'thresholds: egg 0.25, Würmer 0.7' in capsys.readouterr().out
    assert np.abs(whole - drawn)[16:56, 20:48].max() > 60, 'the box of the worm is not drawn'
    results = read_results(tmp_path / 'out')
    assert results.score_thr == 0.7 and results.class_thr == {'egg': 0.25}, 'from .7 on all is kept'
    assert (results.lowest('egg'), results.lowest('Würmer')) == (0.25, 0.7)
    assert predict(bundle, tmp_path, '--score-thr', '0.5', '--score-thr', 'egg=0.95')[0] == [WORM]


def test_what_a_bundle_was_calibrated_to(calibrated, tmp_path, capsys):
    assert predict(calibrated, tmp_path)[0] == [EGG, WORM]
    assert 'manifest.json (counting): egg 0.5, Würmer 0.25' in capsys.readouterr().out
    assert predict(calibrated, tmp_path, '--score-thr', '0.1')[0] == [EGG, WORM, LOW]
    assert 'not those of' in capsys.readouterr().out
    assert predict(calibrated, tmp_path, '--score-thr', 'Würmer=0.7')[0] == [EGG]


@pytest.mark.parametrize(
    ('word', 'line'), [('eg=0.3', 'did you mean egg?'), ('egg=1.5', 'egg=1.5: not from 0 to 1'), ('egg', 'egg: egg is')]
)
def test_wrong_words_are_one_line_and_write_nothing(bundle, tmp_path, word, line, capsys):
    assert main(['predict', str(bundle), 'x.jpg', '--out', str(tmp_path / 'out'), '--score-thr', word]) == 2
    said = capsys.readouterr().err.strip()
    assert f'--score-thr {word}' in said and line in said and '\n' not in said and not (tmp_path / 'out').exists()


def test_in_python(calibrated, tmp_path, capsys):
    picture, detector = write_pictures(tmp_path / 'pictures')[0], Detector(calibrated)

    def names(score_thr=None):
        return detector.predict(picture, score_thr)[0].names

    assert list(names()) == ['egg', 'Würmer'] and list(names(0)) == ['egg', 'Würmer', 'egg']
    assert list(names({'Würmer': 0.7})) == ['egg'] and list(names({'egg': 0.2})) == ['egg', 'Würmer', 'egg']
    assert capsys.readouterr().out.count('manifest.json (counting): egg 0.5') == 1
    with pytest.raises(UserError, match='score_thr eg=0.3: no class of the detector; did you mean egg'):
        names({'eg': 0.3})
