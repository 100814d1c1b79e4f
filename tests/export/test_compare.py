"""The comparison accepts equal detections and nothing else."""

import numpy as np
import pytest

from detplug.errors import UserError
from detplug.export.compare import Agreement, mutual_nearest, require
from detplug.runtime.detections import Detections

THRESHOLD, LIMIT = 0.05, 50


def random_detections(count: int = 20, seed: int = 0) -> Detections:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 500, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 90, (count, 2))], 1).astype(np.float32)
    scores = np.sort(rng.uniform(0.1, 1, count).astype(np.float32))[::-1]
    return Detections(boxes, scores, rng.integers(0, 3, count), ('a', 'b', 'c'))


def changed(base: Detections, **parts) -> Detections:
    return Detections(**(vars(base) | parts))


def without(base: Detections, index: int) -> Detections:
    return Detections(*(np.delete(x, index, axis=0) for x in (base.boxes, base.scores, base.labels)), base.names)


def agreement(a: Detections, b: Detections, limit: int = LIMIT, per_class: int | None = None) -> Agreement:
    result = Agreement()
    result.add(a, b, THRESHOLD, limit, per_class)
    return result


def test_the_same_detections_in_another_order_agree():
    base, order = random_detections(), np.random.default_rng(1).permutation(20)
    shuffled = Detections(base.boxes[order], base.scores[order], base.labels[order], base.names)
    i, j = mutual_nearest(base, shuffled)
    np.testing.assert_array_equal(order[j], i)
    result = agreement(base, shuffled)
    assert result.passed and result.boxes == 20 and result.max_box_px == 0


def test_one_shifted_box_is_a_failure():
    base = random_detections()
    boxes = base.boxes.copy()
    boxes[7] += 0.2
    result = agreement(base, changed(base, boxes=boxes))
    assert not result.passed and result.max_box_px == pytest.approx(0.2, abs=1e-4)


def test_one_other_score_is_a_failure():
    base = random_detections()
    result = agreement(base, changed(base, scores=base.scores + np.float32(3e-4) * (np.arange(20) == 3)))
    assert not result.passed and result.max_score_diff == pytest.approx(3e-4, rel=1e-2)


@pytest.mark.parametrize('index', [0, 19])
def test_a_missing_or_additional_box_is_a_failure(index):
    base = random_detections()
    for pair in ((base, without(base, index)), (without(base, index), base)):
        assert agreement(*pair).unmatched == 1 and not agreement(*pair).passed


def test_another_label_is_a_failure():
    base = random_detections()
    labels = base.labels.copy()
    labels[4] = (labels[4] + 1) % 3
    assert agreement(base, changed(base, labels=labels)).unmatched == 2


def test_a_missing_box_at_the_threshold_is_excused_but_not_many():
    base = random_detections()
    close = changed(base, scores=np.append(base.scores[:-1], np.float32(THRESHOLD + 5e-5)))
    result = agreement(close, without(base, 19))
    assert result.passed and result.near_threshold == 1
    all_close = changed(base, scores=np.full(20, THRESHOLD + 5e-5, np.float32))
    assert not agreement(all_close, Detections(*(x[:0] for x in (base.boxes, base.scores, base.labels)), ())).passed


def test_the_last_score_of_a_full_list_decides_as_the_threshold_does():
    base = random_detections()
    other = changed(
        base,
        boxes=np.append(base.boxes[:-1], base.boxes[-1:] + 400, axis=0),
        labels=np.append(base.labels[:-1], (base.labels[-1] + 1) % 3),
    )
    assert agreement(base, other, limit=20).passed
    assert not agreement(base, other, limit=21).passed


def test_the_last_score_of_a_full_class_decides_for_this_class_alone():
    base = random_detections()
    last = int(np.flatnonzero(base.labels == 0)[-1])
    full = int((base.labels == 0).sum())
    other = changed(base, boxes=base.boxes + 400 * (np.arange(20) == last)[:, None], labels=base.labels.copy())
    other.labels[last] = 1
    assert not agreement(base, other).passed
    assert not agreement(base, other, per_class=full).passed  # the box of class 1 is not at the end of a full class
    assert agreement(base, without(base, last), per_class=full).passed
    assert not agreement(base, without(base, last), per_class=full + 1).passed
    first = int(np.flatnonzero(base.labels == 1)[0])
    assert not agreement(base, without(base, first), per_class=full).passed


def test_require_says_that_nothing_was_written():
    with pytest.raises(UserError, match='1 boxes unmatched of 19.*nothing was written'):
        require(agreement(random_detections(), without(random_detections(), 3)), 'config.py: onnx')


def test_many_equal_scores_at_the_end_of_a_full_list_are_called_so():
    """As of an untrained detector: which of them are kept is chance, and nothing is said of the graph."""
    base = random_detections()
    base = changed(base, scores=np.full(20, 0.5, np.float32), labels=np.zeros(20, np.int64))
    other = changed(base, boxes=np.append(base.boxes[:10], base.boxes[10:] + 4000, axis=0), labels=base.labels.copy())
    other.labels[10:] = 1
    with pytest.raises(UserError, match='20 of 40 boxes have equal scores.*give a trained checkpoint'):
        require(agreement(base, other, limit=20), 'config.py: onnx')
    with pytest.raises(UserError, match='20 boxes unmatched'):  # where the list is not full they are missing
        require(agreement(base, other, limit=21), 'config.py: onnx')
