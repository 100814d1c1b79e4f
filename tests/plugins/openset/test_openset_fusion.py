"""Thresholds and fates of teacher boxes, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plugins.openset.fusion import DROPPED, IGNORED, KNOWN, UNKNOWN, FusionRule, TeacherBoxes, fates
from plugins.openset.plan import MODES, PLANS
from plugins.openset.thresholds import ClassThresholds

K = 2


def teacher(*rows) -> TeacherBoxes:
    """Rows of (x, score, label, ood, objectness); boxes are 10 px wide."""
    x, scores, labels, ood, objectness = (torch.tensor(column) for column in zip(*rows, strict=True))
    boxes = torch.stack([x, torch.zeros_like(x), x + 10, torch.full_like(x, 10)], 1).float()
    return TeacherBoxes(boxes, scores.float(), labels.long(), ood.float(), objectness.float())


def decide(mode, *rows, thresholds=(0.5, 0.5), **rule):
    return fates(teacher(*rows), torch.tensor(thresholds), PLANS[mode], FusionRule(**rule)).tolist()


APART = [  # x, score, label, ood, objectness
    (0, 0.9, 0, 0.1, 0.9),  # sure and ordinary
    (20, 0.9, 1, 0.97, 0.9),  # sure, a little strange
    (40, 0.9, 0, 1.0, 0.9),  # sure and strange
    (60, 0.3, 1, 0.2, 0.4),  # unsure
    (80, 0.3, 1, 1.0, 0.5),  # strange, hardly an object
    (100, 0.9, 2, 0.1, 0.9),  # the teacher says "unknown", its features do not
    (120, 0.9, 2, 1.0, 0.9),  # both say unknown
    (140, 0.01, 0, 0.1, 0.02),  # next to nothing
]


@pytest.mark.parametrize(
    ('mode', 'wanted'),
    [
        ('closed', [KNOWN, KNOWN, KNOWN, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED]),
        ('filter', [KNOWN, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED]),
        ('oodfc', [KNOWN, IGNORED, UNKNOWN, IGNORED, IGNORED, IGNORED, UNKNOWN, DROPPED]),
    ],
)
def test_three_ways(mode, wanted):
    assert decide(mode, *APART) == wanted
    assert decide({'closed': 'cce', 'oodfc': 'oodfc_cce'}.get(mode, mode), *APART) == wanted


def test_each_class_has_its_threshold():
    assert decide('closed', (0, 0.6, 0, 0, 1), (20, 0.6, 1, 0, 1), thresholds=(0.7, 0.6)) == [DROPPED, KNOWN]


def test_one_object_has_one_fate():
    known, unknown = (0, 0.9, 0, 0.1, 0.9), (1, 0.9, 1, 1.0, 0.8)
    assert decide('oodfc', known, unknown) == [KNOWN, DROPPED]
    assert decide('oodfc', (0, 0.7, 0, 0.1, 0.7), unknown) == [DROPPED, UNKNOWN]
    assert decide('oodfc', known, (8, 0.9, 1, 1.0, 0.8)) == [KNOWN, UNKNOWN]  # they hardly overlap
    assert decide('oodfc', known, (1, 0.8, 1, 0.1, 0.9)) == [KNOWN, KNOWN]  # the teacher's suppression decided that


def test_a_beaten_box_beats_nobody():
    chain = [(0, 0.9, 0, 0.1, 0.9), (3, 0.9, 0, 1.0, 0.8), (6, 0.9, 0, 1.0, 0.7)]  # IoU .54 between neighbours
    assert decide('oodfc', *chain) == [KNOWN, DROPPED, UNKNOWN]


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
    found = teacher(*rows)
    fate = fates(found, torch.tensor([0.5, 0.5]), PLANS[mode], FusionRule())
    known = fate == KNOWN
    assert (found.labels[known] < K).all() and (found.scores[known] >= 0.5).all()
    if mode not in ('oodfc', 'oodfc_cce'):
        assert not (fate == UNKNOWN).any() and not (fate == IGNORED).any()
    else:
        assert (found.ood[known] < 0.95).all() and (found.ood[fate == UNKNOWN] >= 0.99).all()


def test_no_box_is_no_fate():
    empty = TeacherBoxes(torch.zeros(0, 4), *(torch.zeros(0) for _ in range(4)))._replace(labels=torch.zeros(0).long())
    assert fates(empty, torch.tensor([0.5, 0.5]), PLANS['oodfc'], FusionRule()).shape == (0,)


def test_thresholds_of_the_notes():
    rule = ClassThresholds(3, highest=1.0, momentum=1.0)
    rule.update({'ap/a': 0.0, 'ap/b': 0.5, 'ap/c': 0.8}, ('a', 'b', 'c'))
    torch.testing.assert_close(rule.values, torch.tensor([0.2231, 0.4724, 0.7408]), atol=1e-4, rtol=0)


def test_thresholds_follow_a_running_mean_and_keep_what_has_no_figure():
    rule = ClassThresholds(2, start=0.5, momentum=0.5)
    start = float(rule.values[1])
    rule.update({'ap/a': 0.2}, ('a', 'b'))
    rule.update({'ap/a': 0.4}, ('a', 'b'))
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
