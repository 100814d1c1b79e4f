"""Laws of fusion at inference, over random detections, and against a loop over boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.openset.inference.fuse import Fused, FusedRule, fuse, overlapping, turn_in_class

K = 3
seeds = given(seed=st.integers(0, 10**6), count=st.integers(0, 40))


def detections(seed: int, count: int, crowd: int = 60):
    """Boxes that overlap much, several labels on equal boxes, scores that are equal now and then."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, crowd, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(5, 40, (count, 2))], 1).astype(np.float32)
    boxes = boxes[rng.integers(0, max(count, 1), count)] if count else boxes
    values = (rng.integers(0, 21, (4, count)) / 20).astype(np.float32)
    return boxes, values[0], rng.integers(0, K + 1, count), *values[1:]


def by_loop(boxes, scores, labels, ood, objectness, own, rule) -> list[tuple]:
    """The same box by box."""
    items = []
    for i in range(len(scores)):
        gate = min(max((ood[i] - rule.tau) / (1 - rule.tau), 0), 1) if rule.tau < 1 else np.float32(0)
        if labels[i] != rule.classes:
            items.append((-(scores[i] * (1 - gate)), labels[i], *boxes[i, ::-1], i))
        items.append((-(objectness[i] * (1 - (1 - own[i]) * (1 - gate))), rule.classes, *boxes[i, ::-1], i))
    kept = []
    for item in sorted(x for x in items if -x[0] > rule.score_thr):
        for other in kept:
            names = {item[1], other[1]}
            rivals = rule.classes in names or (rule.one_name and len(names) == 2)
            pair = np.array([item[-2:1:-1], other[-2:1:-1]], np.float32)
            if rivals and overlapping(pair[:1], pair[1:], rule.iou)[0, 0]:
                break
        else:
            kept.append(item)
    return [(-score, label, boxes[i].tolist()) for score, label, *_, i in kept]


def as_rows(fused: Fused, boxes) -> list[tuple]:
    return list(zip(fused.scores, fused.labels, boxes[fused.index].tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@seeds
@pytest.mark.parametrize('one_name', (False, True))
def test_it_is_the_loop(seed, count, one_name):
    found = detections(seed, count)
    rule = FusedRule(K, 0.6, 0.5, one_name, 0.01)
    assert as_rows(fuse(*found, rule), found[0]) == by_loop(*found, rule)


@settings(deadline=None, max_examples=60)
@seeds
def test_tau_one_changes_nothing_but_the_suppression(seed, count):
    boxes, scores, labels, ood, objectness, _ = detections(seed, count)
    labels = labels % K
    fused = fuse(boxes, scores, labels, ood, objectness, np.zeros_like(scores), FusedRule(K, 1.0, score_thr=-1.0))
    assert sorted(fused.index) == list(range(count))
    np.testing.assert_array_equal(fused.scores, scores[fused.index])
    np.testing.assert_array_equal(fused.labels, labels[fused.index])


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.99))
def test_unknown_rises_with_strangeness_and_own(first, second, own, other, tau):
    def unknown(s, p):
        arrays = (np.array([x], np.float64) for x in (s, 1.0, p))
        box = np.array([[0, 0, 1, 1]], np.float32)
        fused = fuse(box, np.zeros(1), np.array([K]), *arrays, FusedRule(K, tau, score_thr=-1.0))
        return fused.scores[0]

    low, high = sorted((first, second))
    assert unknown(low, own) <= unknown(high, own)
    low, high = sorted((own, other))
    assert unknown(first, low) <= unknown(first, high)


@settings(deadline=None, max_examples=60)
@seeds
def test_no_known_score_rises_and_no_object_keeps_two_kinds_of_name(seed, count):
    boxes, scores, labels, *rest = detections(seed, count)
    fused = fuse(boxes, scores, labels, *rest, FusedRule(K, 0.3))
    known = fused.labels != K
    assert (fused.scores[known] <= scores[fused.index[known]]).all()
    assert (fused.labels[known] == labels[fused.index[known]]).all()
    kept = boxes[fused.index]
    assert not overlapping(kept[~known], kept[known], 0.5).any()
    assert (overlapping(kept[~known], kept[~known], 0.5).sum(1) == 1).all()  # itself
    assert (np.diff(fused.scores) <= 0).all()


@settings(deadline=None, max_examples=60)
@seeds
def test_the_order_of_detections_does_not_matter(seed, count):
    found = detections(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    rule = FusedRule(K, 0.4, one_name=bool(seed % 2), max_per_img=20, max_per_class=5)
    moved = [x[order] for x in found]
    assert as_rows(fuse(*found, rule), found[0]) == as_rows(fuse(*moved, rule), moved[0])


@seeds
def test_limits_are_by_class_and_by_image(seed, count):
    found = detections(seed, count, crowd=2000)
    everything = fuse(*found, FusedRule(K, 0.5))
    fused = fuse(*found, FusedRule(K, 0.5, max_per_img=9, max_per_class=4))
    turns = np.array([(everything.labels[:i] == label).sum() for i, label in enumerate(everything.labels)], int)
    np.testing.assert_array_equal(turn_in_class(everything.labels), turns)
    np.testing.assert_array_equal(fused.scores, everything.scores[turns < 4][:9])


def test_a_strange_gametocyte_is_unknown_and_an_ordinary_one_keeps_its_name():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]], np.float32)
    arrays = [np.array(x, np.float32) for x in ([0.7, 0.2, 0.7], [0.999, 0.999, 0.5], [0.9, 0.8, 0.9], [0, 0, 0])]
    fused = fuse(boxes, arrays[0], np.array([1, 0, 1]), *arrays[1:], FusedRule(2, 0.99, score_thr=0.001))
    assert fused.labels.tolist() == [2, 1] and fused.index.tolist() == [0, 2]
    np.testing.assert_allclose(fused.scores, [0.81, 0.7], rtol=1e-4)


def test_suppression_between_known_names_is_a_choice():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], np.float32)
    rest = [np.array(x, np.float32) for x in ([0.7, 0.4], [0.1, 0.1], [0.9, 0.9], [0, 0])]
    for one_name, count in ((False, 2), (True, 1)):
        assert (
            len(fuse(boxes, rest[0], np.array([0, 1]), *rest[1:], FusedRule(2, 0.9, one_name=one_name)).index) == count
        )
