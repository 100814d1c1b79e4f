"""Each kind of error is counted where it was planted, AP50 is the evaluation's, and calibration sees wrong scores."""

import numpy as np
import pytest
from image_results import make_result, random_result

from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.diagnosis import KINDS, diagnose

CLASSES = ('a', 'b')
TRUTH = [[0, 0, 20, 20], [60, 0, 80, 20], [0, 60, 20, 80]]
LABELS = [0, 1, 0]
SHIFTED = [10, 0, 30, 20]  # IoU 1/3 with the first object


@pytest.mark.parametrize(
    ('boxes', 'labels', 'planted'),
    [
        (TRUTH, LABELS, {}),
        (TRUTH, [1, 1, 0], {'Cls': 1}),
        ([SHIFTED, *TRUTH[1:]], LABELS, {'Loc': 1}),
        ([SHIFTED, *TRUTH[1:]], [1, 1, 0], {'Both': 1, 'Miss': 1}),
        ([*TRUTH, TRUTH[1]], [*LABELS, 1], {'Dupe': 1}),
        ([*TRUTH, [60, 60, 80, 80]], [*LABELS, 0], {'Bkg': 1}),
        (TRUTH[1:], LABELS[1:], {'Miss': 1}),
    ],
)
def test_a_planted_error_is_counted_under_its_kind(boxes, labels, planted):
    scores = np.linspace(0.9, 0.5, len(boxes))
    image = make_result(0, TRUTH, LABELS, boxes, labels, scores)
    diagnosis = diagnose([image], CLASSES)
    counts = {kind: number for kind, number in diagnosis.counts.items() if number}
    assert counts == planted
    assert set(diagnosis.gains) == set(KINDS) and (not planted or max(diagnosis.gains.values()) >= 0)


def test_ap50_is_that_of_the_evaluation():
    rng = np.random.default_rng(0)
    images = [random_result(rng, i, classes=2) for i in range(30)]
    for limit in (5, 300):
        assert diagnose(images, CLASSES, limit).ap50 == pytest.approx(box_metrics(images, CLASSES, limit)['map50'])


def test_calibration_sees_scores_that_are_no_precision():
    rng = np.random.default_rng(0)

    def images(confidence):
        for i in range(400):
            right = rng.random() < 0.75
            box = TRUTH[0] if right else [60, 60, 80, 80]
            yield make_result(i, TRUTH[:1], [0], [box], [0], [confidence])

    assert diagnose(list(images(0.75)), CLASSES).calibration_error < 0.05
    wrong = diagnose(list(images(0.25)), CLASSES)
    assert wrong.calibration_error == pytest.approx(0.5, abs=0.05)
    assert [(round(score, 2), count) for score, _, count in wrong.bins] == [(0.25, 400)]


def test_nothing_to_say_is_none(monkeypatch):
    assert diagnose([], CLASSES) is None
    assert diagnose([make_result(0, TRUTH, LABELS)], CLASSES) is None
    assert diagnose([make_result(0, (), (), TRUTH, LABELS, [0.5] * 3)], CLASSES) is None
    monkeypatch.setattr('detplug.evaluation.diagnosis.find_spec', lambda name: None)
    assert diagnose([make_result(0, TRUTH, LABELS, TRUTH, LABELS, [0.5] * 3)], CLASSES) is None
