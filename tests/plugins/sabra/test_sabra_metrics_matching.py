"""Matching, overlaps and average precision against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import iou, random_boxes, voc_area

from plugins.sabra.metrics.average_precision import all_point, class_ap, eleven_point, mean_figures
from plugins.sabra.metrics.matched import matched
from plugins.sabra.metrics.matching import best_partner, equal_pairs, first_takers, match_free
from plugins.sabra.metrics.overlap import around, paired_iou

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, columns=st.integers(1, 4))
def test_equal_pairs(seed, columns):
    rng = np.random.default_rng(seed)
    left, right = ([rng.integers(-1, 3, n) for _ in range(columns)] for n in rng.integers(0, 12, 2))
    i, j = equal_pairs(left, right)
    expected = [
        (a, b)
        for a in range(len(left[0]))
        for b in range(len(right[0]))
        if all(x[a] == y[b] for x, y in zip(left, right, strict=True))
    ]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected


def random_pairs(seed):
    """Predictions, partners, overlaps in steps of a quarter, so that many are equal."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 5, rng.integers(1, 10, 2)) / 4
    i, j = np.nonzero(table > 0)
    return table, i, j, table[i, j], rng.integers(0, 6, len(table)) / 6


@given(seed=seeds)
def test_best_partner(seed):
    table, i, j, overlap, _ = random_pairs(seed)
    partner, largest = best_partner(i, j, overlap, len(table))
    expected = [row.argmax() if row.any() else -1 for row in table]
    assert partner.tolist() == expected and largest.tolist() == table.max(axis=1).tolist()


@given(seed=seeds)
def test_match_free(seed):
    table, i, j, overlap, scores = random_pairs(seed)
    left, expected = table.copy(), np.full(len(table), -1)
    for row in np.argsort(-scores, kind='stable'):
        if left[row].any():
            expected[row] = left[row].argmax()
            left[:, expected[row]] = 0
    assert match_free(i, j, overlap, scores).tolist() == expected.tolist()


@given(seed=seeds)
def test_first_takers(seed):
    rng = np.random.default_rng(seed)
    target, scores = rng.integers(-1, 4, 12), rng.integers(0, 6, 12) / 6
    expected = {
        max((k for k in range(12) if target[k] == t), key=lambda k: (scores[k], -k)) for t in set(target) - {-1}
    }
    assert set(np.flatnonzero(first_takers(target, scores))) == expected


def test_nothing_to_match():
    none = np.zeros(0, np.int64)
    assert [len(x) for x in equal_pairs((none,), (none,))] == [0, 0]
    assert best_partner(none, none, np.zeros(0), 2)[0].tolist() == [-1, -1]
    assert match_free(none, none, np.zeros(0), np.ones(2)).tolist() == [-1, -1]
    assert match_free(none, none, np.zeros(0), np.zeros(0)).tolist() == []
    assert first_takers(none, np.zeros(0)).tolist() == []


@pytest.mark.parametrize('extra', [0, 1])
def test_overlaps(extra):
    rng = np.random.default_rng(extra)
    first, second = random_boxes(rng, 300), random_boxes(rng, 300)
    expected = [iou(a, b, extra) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    assert paired_iou(first.astype(float), second.astype(float), extra).tolist() == expected
    assert 0.3 < np.mean(np.array(expected) > 0) < 0.9
    point = np.zeros((1, 4))
    assert paired_iou(point, point, 0).tolist() == [0] and paired_iou(point, point, 1).tolist() == [1]


def test_the_box_around_two():
    assert around(np.array([[0, 5, 2, 9.0]]), np.array([[1, 4, 7, 6.0]])).tolist() == [[0, 4, 7, 9]]


@given(right=st.lists(st.booleans(), max_size=40), more=st.integers(0, 5))
def test_average_precision_of_all_points(right, more):
    objects = max(sum(right) + more, 1)
    assert all_point(np.array(right, bool), objects) == pytest.approx(voc_area(right, objects))


def test_the_last_step_of_recall_counts():
    assert all_point(np.array([True, False, True]), 2) == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert all_point(np.array([True]), 1) == 1


def test_classes_have_their_own_curve():
    classes, scores = np.array([2, 0, 2, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    right = np.array([True, True, False, False])
    columns = np.zeros(len(classes), int), classes, scores, [right]
    ap = class_ap(all_point, [matched(1, *columns, np.array([1, 0, 1, 4]))])
    np.testing.assert_array_equal(ap, [1 / 2, np.nan, 1 / 2, 0])
    nothing = np.zeros(0, int), classes[:0], scores[:0], [right[:0]]
    assert class_ap(eleven_point, [matched(1, *nothing, np.array([3]))]).tolist() == [0]
    assert mean_figures({'map': ap, 'none': ap[1:2]}) == {'map': pytest.approx(1 / 3)}


@pytest.mark.parametrize('columns', [4, 60])
def test_rows_of_huge_numbers_are_compared_exactly(columns):
    """The product of the ranges is beyond 64 bits; with 60 columns also that of the numbers of different values."""
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 3, (n, columns)) * 2**40 for n in (30, 20))
    left[3], left[7] = right[5], right[5]
    i, j = equal_pairs(tuple(left.T), tuple(right.T))
    expected = [(a, b) for a in range(30) for b in range(20) if (left[a] == right[b]).all()]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected and (3, 5) in expected
