"""Thresholds of classes: by name before for all, before what a bundle was calibrated to, before .25."""

import json

import numpy as np
import pytest

from detplug.errors import UserError
from detplug.runtime.detections import Detections
from detplug.runtime.shard import Settings
from detplug.runtime.thresholds import Chosen, describe, lowest_scores, manifest_thresholds, parse_thresholds

NAMES = ('egg', 'cyst')
CHOSEN = Chosen(dict(egg=0.6), 'manifest.json (counting)')


@pytest.mark.parametrize(
    ('words', 'lowest'),
    [
        ([], (0.6, 0.25)),
        (['0.1'], (0.1, 0.1)),
        (['cyst=0.4'], (0.6, 0.4)),
        (['egg=0.4', '0'], (0.4, 0)),
    ],
)
def test_the_order_of_what_is_said(words, lowest):
    assert tuple(lowest_scores(parse_thresholds(words), CHOSEN, NAMES).values()) == lowest


def test_a_line_says_where_they_come_from():
    assert describe({}, Chosen(), NAMES) is None and describe({'': 0.3}, Chosen(), NAMES) is None
    assert describe({}, CHOSEN, NAMES) == 'thresholds of manifest.json (counting): egg 0.6, cyst 0.25'
    assert describe({'egg': 0.5}, CHOSEN, NAMES).startswith(
        'thresholds of manifest.json (counting) and --score-thr: egg'
    )
    assert 'not those of manifest.json' in describe({'': 0.3}, CHOSEN, NAMES)


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (['eg=0.4'], 'eg=0.4: no class of the detector; did you mean egg. it has egg, cyst'),
        (['2'], '--score-thr 2.0: not from 0 to 1'),
        (['nan'], 'nan: not from 0 to 1'),
        (['egg=x'], 'egg=x: x is not from 0 to 1; give T or CLASS=T'),
        (['egg=0.1', 'egg=0.2'], 'egg=0.2: is given twice'),
    ],
)
def test_wrong_words_are_one_line(words, line):
    with pytest.raises(UserError, match=line):
        lowest_scores(parse_thresholds(words), CHOSEN, NAMES)


def test_what_a_manifest_holds():
    entry = dict(format='any', classes=dict(egg=dict(threshold=0.6, found=3)))
    manifest = dict(classes=list(NAMES), nms={}, counting=json.loads(json.dumps(entry)))
    assert manifest_thresholds(manifest, 'manifest.json') == CHOSEN
    assert manifest_thresholds(dict(classes=list(NAMES), other=dict(classes=['egg'])), 'm') == Chosen()
    with pytest.raises(UserError, match=r'm \(again\): thresholds, but so has m \(counting\)'):
        manifest_thresholds(manifest | dict(again=entry), 'm')
    with pytest.raises(UserError, match=r'm \(counting\): threshold egg=0.6: no class of the detector'):
        manifest_thresholds(manifest | dict(classes=['cyst']), 'm')


def test_what_settings_keep():
    found = Detections(np.zeros((4, 4)), np.array([0.9, 0.6, 0.5, 0.3]), np.array([1, 0, 1, 0]), NAMES)
    assert Settings(0.55, dict(egg=0.25)).kept(found).tolist() == [True, True, False, True]
    assert Settings(0.55).kept(found).tolist() == [True, True, False, False]
    none = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), NAMES)
    assert Settings(0.5, dict(egg=0.2)).kept(none).shape == (0,)
