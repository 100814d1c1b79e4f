"""Laws of fusion at inference, over random detections, and against a loop over boxes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detplug.errors import UserError
from detplug.images.box_geometry import iou
from detplug.images.overlapping_pairs import overlapping_pairs
from detplug.runtime.detections import Detections
from plugins.openset.inference.fuse import Fused, FusedRule, fuse, strangeness_gate, turn_in_class
from plugins.openset.result_fields import finish

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


def gate_of(ood, tau):
    """The odds of s over those of tau, as a probability."""
    more, less = ood * (1 - tau), (1 - ood) * tau
    gate = more / max(more + less, np.finfo(np.float32).tiny) if tau < 1 else np.float32(0)
    return gate if ood > tau else min(gate, np.float32(0.5))


def by_loop(boxes, scores, labels, ood, objectness, p_unknown, rule) -> list[tuple]:
    """The same box by box."""
    known, unknown = [], []
    for i in range(len(scores)):
        gate = gate_of(ood[i], rule.tau)
        chance = 1 - (1 - p_unknown[i]) * (1 - gate)
        if labels[i] != rule.classes:
            known.append((-(scores[i] * (1 - gate if gate > 0.5 else 1)), labels[i], *boxes[i, ::-1], i))
        unknown.append((-(objectness[i] * chance), rule.classes, *boxes[i, ::-1], i, chance))
    known, unknown = ([x for x in items if -x[0] > rule.score_thr] for items in (known, unknown))

    def overlap(first, second):
        pair = np.array([x[5:1:-1] for x in (first, second)], np.float32)
        return len(overlapping_pairs(pair, rule.iou)[0]) > 0

    kept, lost = [], []
    for item in sorted(known + [x[:-1] for x in unknown if x[-1] > 0.5]):
        rivals = [x for x in kept if overlap(item, x)]
        if any(rule.classes in (x[1], item[1]) or (rule.one_name and x[1] != item[1]) for x in rivals):
            lost += [item] if item[1] != rule.classes and any(x[1] == rule.classes for x in rivals) else []
        else:
            kept.append(item)
    others = []
    for *item, _ in sorted(unknown):
        if not any(overlap(item, x) for x in others + [x for x in kept if x[1] == rule.classes]):
            others.append(tuple(item))
    rows = [(-x[0], *x[1:]) for x in kept] + [(np.float32(0.1) * -x[0], *x[1:]) for x in lost + others]
    return [(x[0], x[1], boxes[x[-1]].tolist()) for x in sorted(rows, key=lambda x: (-x[0], *x[1:]))]


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
    labels, scores = labels % K, scores + 1
    fused = fuse(boxes, scores, labels, ood, objectness, np.zeros_like(scores), FusedRule(K, 1.0))
    assert sorted(fused.index) == list(range(count))
    np.testing.assert_array_equal(fused.scores, scores[fused.index])
    np.testing.assert_array_equal(fused.labels, labels[fused.index])


def one_box(s: float, p: float, tau: float) -> Fused:
    """A box of full objectness and known score 1, label 0."""
    arrays = (np.array([x], np.float64) for x in (s, 1.0, p))
    return fuse(np.array([[0, 0, 1, 1]], np.float32), np.ones(1), np.zeros(1, int), *arrays, FusedRule(K, tau))


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.99))
def test_unknown_rises_with_strangeness_and_p_unknown(first, second, p_unknown, other, tau):
    def unknown(s, p):
        fused = one_box(s, p, tau)
        return fused.scores[fused.labels == K].sum()

    low, high = sorted((first, second))
    assert unknown(low, p_unknown) <= unknown(high, p_unknown)
    low, high = sorted((p_unknown, other))
    assert unknown(first, low) <= unknown(first, high)


@settings(deadline=None)
@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_the_name_changes_at_tau_and_the_other_one_stays_with_a_tenth(s, tau):
    assume(abs(s - tau) > 1e-6)
    fused = one_box(s, 0.0, tau)
    gate = float(strangeness_gate(np.array([s]), tau)[0])
    assert (gate > 0.5) == (s > tau)
    first, second = (gate, 1 - gate) if s > tau else (1, gate)
    assert fused.labels.tolist() == ([K, 0] if s > tau else [0, K])
    np.testing.assert_allclose(fused.scores, [first, second / 10], rtol=1e-6)


@settings(deadline=None, max_examples=60)
@seeds
def test_no_known_score_rises_and_no_object_keeps_two_kinds_of_name(seed, count):
    """From a tenth on, where the second names begin, an object is unknown or known."""
    boxes, scores, labels, *rest = detections(seed, count)
    fused = fuse(boxes, scores, labels, *rest, FusedRule(K, 0.3))
    known = fused.labels != K
    assert (fused.scores[known] <= scores[fused.index[known]]).all()
    assert (fused.labels[known] == labels[fused.index[known]]).all()
    first, kept = fused.scores > 0.1, boxes[fused.index]
    assert not (iou(kept[~known & first], kept[known & first]) > 0.5).any()
    assert ((iou(kept[~known], kept[~known]) > 0.5).sum(1) == 1).all()  # itself
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


@given(st.floats(0.0625, 0.9375, width=32))
def test_at_tau_itself_nothing_is_named_unknown(tau):
    assert strangeness_gate(np.array([tau], np.float32), float(np.float32(tau)))[0] <= 0.5


def test_a_strange_gametocyte_is_unknown_and_an_ordinary_one_keeps_its_name():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]], np.float32)
    arrays = [np.array(x, np.float32) for x in ([0.7, 0.2, 0.7], [0.999, 0.999, 0.5], [0.9, 0.8, 0.9], [0, 0, 0])]
    fused = fuse(boxes, arrays[0], np.array([1, 0, 1]), *arrays[1:], FusedRule(2, 0.99, score_thr=0.001))
    assert fused.labels.tolist() == [2, 1, 1, 0, 2] and fused.index.tolist() == [0, 2, 0, 1, 2]
    gate = 0.999 * 0.01 / (0.999 * 0.01 + 0.001 * 0.99)
    second = [0.07 * (1 - gate), 0.02 * (1 - gate), 0.09 * 0.01]
    np.testing.assert_allclose(fused.scores, [0.9 * gate, 0.7, *second], rtol=1e-3)


def test_suppression_between_known_names_is_a_choice():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], np.float32)
    rest = [np.array(x, np.float32) for x in ([0.7, 0.4], [0.1, 0.1], [0.9, 0.9], [0, 0])]
    for one_name, known in ((False, [0, 1]), (True, [0])):
        fused = fuse(boxes, rest[0], np.array([0, 1]), *rest[1:], FusedRule(2, 0.9, one_name=one_name))
        assert fused.labels.tolist() == [*known, 2]


def test_a_bundle_with_the_former_output_name_is_refused():
    said = dict(ood_scores=np.zeros(1), objectness=np.ones(1), own_unknown=np.zeros(1))
    detections = Detections(np.zeros((1, 4)), np.ones(1), np.zeros(1, int), ('a', 'unknown'), {'ood_scores': said})
    with pytest.raises(UserError, match='no p_unknown; export the detector again'):
        finish(detections, {'openset': {'fusion': {}}})
