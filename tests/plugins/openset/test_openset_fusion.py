"""Thresholds and fates of teacher boxes, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.structures.bbox import bbox_overlaps

from detplug.errors import UserError
from plugins.openset.discovery import DiscoveryRate
from plugins.openset.fusion import DROPPED, IGNORED, KNOWN, UNKNOWN, FusionRule, TeacherBoxes, fates, gated
from plugins.openset.plan import MODES, PLANS
from plugins.openset.thresholds import ClassThresholds

K = 2


def teacher(*rows) -> TeacherBoxes:
    """Rows of (x, score, label, ood, objectness); boxes are 10 px wide."""
    x, scores, labels, ood, objectness = (torch.tensor(column) for column in zip(*rows, strict=True))
    boxes = torch.stack([x, torch.zeros_like(x), x + 10, torch.full_like(x, 10)], 1).float()
    return TeacherBoxes(boxes, scores.float(), labels.long(), ood.float(), objectness.float())


def decide(mode, *rows, thresholds=(0.5, 0.5), mean_objects=0.0, **rule):
    decision = fates(teacher(*rows), torch.tensor(thresholds), PLANS[mode], FusionRule(**rule), mean_objects)
    return decision.fate.tolist()


APART = [  # x, score, label, ood, objectness
    (0, 0.9, 0, 0.1, 0.9),  # sure and ordinary
    (20, 0.9, 1, 0.97, 0.9),  # sure, a little strange
    (40, 0.9, 0, 1.0, 0.9),  # sure and strange
    (60, 0.3, 1, 0.2, 0.4),  # unsure
    (80, 0.3, 1, 1.0, 0.5),  # strange, hardly an object
    (100, 0.5, 2, 0.1, 0.9),  # the teacher says "unknown", half sure; its features do not
    (120, 0.9, 2, 1.0, 0.9),  # both say unknown
    (140, 0.01, 0, 0.1, 0.02),  # next to nothing
    (160, 0.24, 0, 0.1, 0.3),  # below half the threshold of its class
    (180, 0.06, 1, 1.0, 0.1),  # strange, but no object
]


@pytest.mark.parametrize(
    ('mode', 'wanted'),
    [
        ('closed', [KNOWN, KNOWN, KNOWN, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED]),
        ('filter', [KNOWN, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED]),
        ('oodfc', [KNOWN, IGNORED, UNKNOWN, IGNORED, IGNORED, IGNORED, UNKNOWN, DROPPED, DROPPED, DROPPED]),
    ],
)
def test_three_ways(mode, wanted):
    assert decide(mode, *APART) == wanted
    assert decide({'closed': 'cce', 'oodfc': 'oodfc_cce'}.get(mode, mode), *APART) == wanted


def test_each_class_has_its_threshold():
    assert decide('closed', (0, 0.6, 0, 0, 1), (20, 0.6, 1, 0, 1), thresholds=(0.7, 0.6)) == [DROPPED, KNOWN]


def test_an_object_has_one_class():
    """A red cell and a gametocyte on one place contradict each other, in every mode."""
    both = [(0, 0.7, 0, 0.1, 0.9), (0.5, 0.6, 1, 0.1, 0.9)]
    for mode in (x for x in MODES if x != 'supervised'):
        assert decide(mode, *both) == [KNOWN, DROPPED]
        assert decide(mode, *both[::-1]) == [DROPPED, KNOWN]
        assert decide(mode, both[0], (8, 0.6, 1, 0.1, 0.9)) == [KNOWN, KNOWN]  # they hardly overlap


def test_a_poor_strange_duplicate_does_not_beat_the_right_box():
    """The duplicate with another name is strange for that class just because the object is of the first."""
    right, duplicate = (0, 0.6, 1, 0.3, 0.75), (1, 0.1, 0, 1.0, 0.7)
    assert decide('oodfc', right, duplicate) == [KNOWN, DROPPED]
    assert decide('oodfc', duplicate, right) == [DROPPED, KNOWN]


def test_strangeness_is_the_objects():
    strange, ordinary = (0, 0.8, 1, 1.0, 0.9), (1, 0.4, 0, 0.2, 0.8)
    assert decide('oodfc', strange) == [UNKNOWN]
    assert decide('oodfc', strange, ordinary) == [IGNORED, DROPPED]  # two names, one looks strange: neither is learned
    assert decide('oodfc', strange, (1, 0.2, 0, 0.2, 0.8)) == [UNKNOWN, DROPPED]  # below half its threshold
    assert decide('oodfc', strange, (1, 0.7, 0, 1.0, 0.8)) == [UNKNOWN, DROPPED]  # strange under both names


def test_the_teachers_own_class_unknown_counts():
    """u = 1 - (1 - s)(1 - p): the learned class confirms what the features say, and cannot be a known name."""
    assert decide('oodfc', (0, 0.9, 2, 0.98, 0.9)) == [UNKNOWN]
    assert decide('oodfc', (0, 0.63, 2, 0.98, 0.9)) == [UNKNOWN]  # u = 1 - .02 x .3
    assert decide('oodfc', (0, 0.45, 2, 0.9, 0.9)) == [IGNORED]  # u = .95
    assert decide('oodfc', (0, 0.45, 2, 0.9, 0.5)) == [IGNORED]  # u = .99, hardly an object
    assert decide('oodfc', (0, 0.9, 0, 0.1, 0.95), (1, 0.87, 2, 0.1, 0.9)) == [IGNORED, DROPPED]
    assert decide('closed', (0, 0.9, 2, 0.98, 0.9)) == [DROPPED]


def test_the_floor_divides_background_from_doubt():
    """A box that passes the teacher's score_thr is not yet a region to ignore."""
    for score, wanted in ((0.06, DROPPED), (0.24, DROPPED), (0.26, IGNORED)):
        assert decide('oodfc', (0, score, 0, 0.1, 0.3)) == [wanted]
    assert decide('oodfc', (0, 0.06, 0, 0.1, 0.3), floor=0.1) == [IGNORED]


@pytest.mark.parametrize('mode', [x for x in MODES if x != 'supervised'])
def test_known_pseudo_labels_are_not_more_than_labels_let_expect(mode):
    flood = [(20 * i, 0.55 + 0.01 * i, 0, 0.1, 0.9) for i in range(20)]
    fate = decide(mode, *flood, mean_objects=10.0)
    assert fate == [IGNORED] * 7 + [KNOWN] * 13  # 1.3 x 10, the best
    assert decide(mode, *flood) == decide(mode, *flood, mean_objects=10.0, most=None) == [KNOWN] * 20


def test_a_chain_of_boxes_is_not_one_object():
    chain = [(0, 0.9, 0, 0.1, 0.9), (3, 0.8, 0, 0.1, 0.8), (6, 0.7, 0, 0.1, 0.7)]  # IoU .54 between neighbours
    assert decide('oodfc', *chain) == [KNOWN, DROPPED, KNOWN]


def test_the_false_discovery_rate_lowers_and_closes_the_gate():
    detections = teacher((0, 0.9, 0, 1.0, 0.9), (20, 0.9, 0, 0.1, 0.9))
    rule = FusionRule(max_false_discovery=0.5)
    decision = fates(detections, torch.tensor([0.5, 0.5]), PLANS['oodfc'], rule)
    assert (decision.objects, decision.passed) == (2, 1)
    open_, closed = (gated(decision, torch.tensor(x), rule) for x in (0.4, 0.6))
    assert open_.fate.tolist() == [UNKNOWN, KNOWN] and closed.fate.tolist() == [IGNORED, KNOWN]
    assert float(open_.weights[0]) == pytest.approx(0.6)
    assert gated(decision, torch.tensor(1.0), FusionRule()).fate.tolist() == [UNKNOWN, KNOWN]


def test_the_rate_is_what_chance_would_make():
    """Calibrated scores of known objects alone give a rate of 1; planted unknown objects lower it to their share."""
    generator = torch.Generator().manual_seed(0)
    for planted, wanted in ((0, 1.0), (3, 0.25)):
        rate = DiscoveryRate(0.99)
        for _ in range(300):
            s = torch.cat([torch.rand(100, generator=generator), torch.ones(planted)])
            rate.update(torch.tensor(len(s)), (s >= 0.99).sum())
        assert float(rate.rate) == pytest.approx(wanted, abs=0.1)
    assert float(DiscoveryRate(0.99).rate) == 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.floats(0, 1), st.integers(0, K), st.floats(0, 1), st.floats(0, 1)
        ),
        max_size=12,
    ),
    st.sampled_from([mode for mode in MODES if mode != 'supervised']),
)  # fmt: skip
def test_an_unknown_name_is_never_a_known_one(rows, mode):
    if not rows:
        return
    detections = teacher(*rows)
    fate = fates(detections, torch.tensor([0.5, 0.5]), PLANS[mode], FusionRule()).fate
    known, taken = fate == KNOWN, (fate == KNOWN) | (fate == UNKNOWN)
    assert (detections.labels[known] < K).all() and (detections.scores[known] >= 0.5).all()
    boxes = detections.boxes[taken]
    assert not (bbox_overlaps(boxes, boxes).fill_diagonal_(0) > 0.5).any()
    if not PLANS[mode].unknown:
        assert not (fate == UNKNOWN).any() and not (fate == IGNORED).any()
    else:
        assert (detections.ood[known] < 0.95).all()
        assert (
            torch.maximum(detections.ood, detections.p_unknown(K))[fate == UNKNOWN] >= 0.9
        ).all()  # 1 - .1 x .1 = .99


def test_no_box_is_no_fate():
    empty = TeacherBoxes(torch.zeros(0, 4), *(torch.zeros(0) for _ in range(4)))._replace(labels=torch.zeros(0).long())
    assert fates(empty, torch.tensor([0.5, 0.5]), PLANS['oodfc'], FusionRule()).fate.shape == (0,)


def test_thresholds_of_the_notes():
    rule = ClassThresholds(3, highest=1.0, momentum=1.0, trust=0)
    rule.update({'ap/a': 0.0, 'ap/b': 0.5, 'ap/c': 0.8}, ('a', 'b', 'c'))
    torch.testing.assert_close(rule.values, torch.tensor([0.2231, 0.4724, 0.7408]), atol=1e-4, rtol=0)


def test_thresholds_follow_a_running_mean_and_keep_what_has_no_figure():
    rule = ClassThresholds(2, start=0.5, momentum=0.5)
    start = float(rule.values[1])
    rule.update({'ap/a': 0.4, 'ap/b': float('nan')}, ('a', 'b'))
    rule.update({'ap/a': 0.2}, ('a', 'b'))
    assert rule.ap.tolist() == pytest.approx([0.3, 0.5]) and rule.values[1] == start
    copy = ClassThresholds(2)
    copy.load_state_dict(rule.state_dict())
    assert (copy.values == rule.values).all() and copy.validations == 2
    for arguments, wanted in (
        (dict(fixed=0.7), 0.7),
        (dict(start=0.0, lowest=0.3), 0.3),
        (dict(start=1.0, highest=0.9), 0.9),
    ):
        assert ClassThresholds(1, **arguments).values.tolist() == pytest.approx([wanted])


def test_a_young_teachers_ap_does_not_flood_the_student():
    rule = ClassThresholds(2)
    start = rule.values.clone()
    assert rule.update({'ap/a': 0.02, 'ap/b': 0.0}, ('a', 'b')) and (rule.values == start).all()
    rule.update({'ap/a': 0.5, 'ap/b': 0.0}, ('a', 'b'))  # the frequent class is found: now the figures count, wholly
    torch.testing.assert_close(rule.ap, torch.tensor([0.5, 0.0]))
    rule.update({'ap/a': 0.1, 'ap/b': 0.0}, ('a', 'b'))  # and a bad validation afterwards too
    torch.testing.assert_close(rule.ap, torch.tensor([0.3, 0.0]))


def test_the_prefix_of_a_metric_does_not_hide_its_figures():
    rule = ClassThresholds(2, trust=0)
    assert rule.update({'open/ap/a': 0.8, 'open/ap/b': 0.2, 'open/ap50/a': 0.9}, ('a', 'b'))
    assert rule.ap.tolist() == pytest.approx([0.8, 0.2])
    assert not rule.update({'open/map': 0.5}, ('a', 'b')) and rule.validations == 1  # the caller says so
    with pytest.raises(UserError, match='x/ap/a and y/ap/a: two APs of one class'):
        rule.update({'x/ap/a': 0.1, 'y/ap/a': 0.2}, ('a', 'b'))
