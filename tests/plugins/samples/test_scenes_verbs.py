"""Known answers and laws of the verbs: stick figures whose joints are written down here, not by the drawing code."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.samples.scene.verbs import CORE, GAZE, Person, Thing, looked_at, verbs_of

STANDING = dict(
    box=(-10, -100, 20, 0),
    ground=0,
    height=100,
    eye=(7, -89),
    gaze=None,
    top=(1, -100),
    shoulder=(0, -73),
    hips=(0, -46),
    hands=((-10, -43), (9, -43)),
    knees=((-4, -24), (4, -24)),
    feet=((-4, -3), (4, -3)),
)
SEATED = dict(hips=(0, -30), shoulder=(0, -57), knees=((20, -29), (22, -29)), feet=((20, -3), (24, -3)), top=(0, -84))
LIFTED_FEET = dict(knees=((16, -38), (18, -44)), feet=((10, -20), (12, -26)), hips=(0, -56))
TOWARDS_RIGHT = (1.0, 0.0)


def person(**changes) -> Person:
    geometry = {**STANDING, **changes}
    arrays = {k: np.asarray(v, float) for k, v in geometry.items() if k not in ('ground', 'height', 'gaze')}
    gaze = None if geometry['gaze'] is None else np.asarray(geometry['gaze'], float)
    return Person('person', ground=geometry['ground'], height=geometry['height'], gaze=gaze, **arrays)


def thing(box, ground=0.0, seat=None) -> Thing:
    return Thing('thing', ground, np.asarray(box, float), None if seat is None else np.asarray(seat, float))


CHAIR = thing((-17, -60, 20, 0), seat=(0, -26))
BICYCLE = thing((-50, -62, 52, 0), seat=(-2, -52))
BALL_AHEAD = thing((18, -66, 34, -50))
CASES = {
    'rides': (person(**LIFTED_FEET), BICYCLE, {'ride'}),
    'stands behind a bicycle': (person(hips=(0, -46)), BICYCLE, set()),
    'sits': (person(**SEATED), CHAIR, {'sit on'}),
    'stands before a chair': (person(), CHAIR, set()),
    'sits on something without a seat': (person(**SEATED), replace(CHAIR, seat=None), set()),
    'sits beside a chair': (person(**SEATED), replace(CHAIR, seat=np.array([30.0, -26])), set()),
    'sits before a chair far behind': (person(**SEATED), replace(CHAIR, ground=-9), set()),
    'holds': (person(hands=((20, -58), (-10, -43))), BALL_AHEAD, {'hold'}),
    'carries before the chest': (person(hands=((20, -58), (22, -56))), BALL_AHEAD, {'carry'}),
    'both hands below the hips': (
        person(hands=((10, -38), (12, -38))),
        thing((4, -42, 18, -28)),
        {'hold'},
    ),
    'hands off': (person(), BALL_AHEAD, set()),
    'carries on the head': (person(hands=((-14, -103), (16, -103))), thing((-13, -120, 15, -100)), {'carry'}),
    'carries on a shoulder': (person(hands=((-15, -85), (9, -43))), thing((-28, -96, -2, -75)), {'carry'}),
    'over the head without a hand': (person(), thing((-13, -120, 15, -100)), set()),
    'touches something on the ground': (person(hands=((12, -20), (9, -43))), thing((5, -22, 25, 0)), set()),
    'a ball far behind the hand': (person(hands=((20, -58), (9, -43))), replace(BALL_AHEAD, ground=-12), set()),
    'looks': (person(gaze=TOWARDS_RIGHT), thing((110, -100, 130, -80)), {'look at'}),
    'looks away': (person(gaze=(-1, 0)), thing((110, -100, 130, -80)), set()),
    'looks above it': (person(gaze=TOWARDS_RIGHT), thing((110, -20, 130, 0)), set()),
    'looks down at it': (
        person(gaze=(math.cos(0.65), math.sin(0.65))),
        thing((110, -20, 130, 0)),
        {'look at'},
    ),
    'face out of the picture': (person(), thing((110, -100, 130, -80)), set()),
    'looks at something far behind': (person(gaze=TOWARDS_RIGHT), thing((110, -100, 130, -80), -40), {'look at'}),
    'holds and looks at it': (
        person(hands=((20, -58), (-10, -43)), gaze=(math.cos(1.0), math.sin(1.0))),
        BALL_AHEAD,
        {'hold', 'look at'},
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_known_answers(name):
    somebody, something, verbs = CASES[name]
    assert verbs_of(somebody, something) == verbs


def moved(x, scale: float, facing: int, shift: tuple):
    """Any thing scaled, mirrored and moved."""
    stretch = np.array([scale * facing, scale])
    changes = {}
    for field in fields(x):
        value = getattr(x, field.name)
        if field.name == 'box':
            corners = value.reshape(2, 2) * stretch + shift
            changes['box'] = np.concatenate([corners.min(0), corners.max(0)])
        elif field.name == 'gaze' and value is not None:
            changes['gaze'] = value * (facing, 1)
        elif isinstance(value, np.ndarray):
            changes[field.name] = value * stretch + shift
    changes['ground'] = x.ground * scale + shift[1]
    return replace(x, **changes, **({'height': x.height * scale} if isinstance(x, Person) else {}))


@given(
    st.sampled_from(sorted(CASES)), st.floats(0.2, 4), st.sampled_from([1, -1]), st.tuples(*[st.floats(-300, 300)] * 2)
)
def test_verbs_do_not_depend_on_scale_side_and_place(name, scale, facing, shift):
    somebody, something, verbs = CASES[name]
    assert verbs_of(moved(somebody, scale, facing, shift), moved(something, scale, facing, shift)) == verbs


@given(
    st.floats(-math.pi, math.pi),
    st.floats(30, 300),
    st.tuples(st.floats(4, 120), st.floats(4, 120)),
    st.floats(-math.pi, math.pi),
)
def test_look_at_is_a_fan_of_rays_that_meets_the_inner_part_of_the_box(direction, distance, sides, turn):
    """Oracle: walk along many rays between the gaze less and more GAZE; does a point lie in the inner part?"""
    somebody = person(gaze=(math.cos(direction), math.sin(direction)))
    middle = somebody.eye + distance * np.array([math.cos(direction + turn), math.sin(direction + turn)])
    half = np.array(sides) / 2
    fan = direction + np.linspace(-GAZE, GAZE, 61)[:, None, None]
    walk = np.linspace(0, 500, 1001)[:, None] * np.concatenate([np.cos(fan), np.sin(fan)], 2)
    beyond = (np.abs(somebody.eye + walk - middle) - CORE * half).max(2).min()  # px of the nearest point
    if (np.abs(somebody.eye - middle) <= CORE * half).all():
        assert not looked_at(somebody, np.concatenate([middle - half, middle + half])[None]).any()
    elif beyond <= 0 or beyond > 2:  # between: less than the steps of the walk
        assert looked_at(somebody, np.concatenate([middle - half, middle + half])[None]).tolist() == [beyond <= 0]


def test_a_person_is_looked_at_in_the_face_and_a_horse_at_its_head():
    level = person(gaze=TOWARDS_RIGHT)
    assert verbs_of(level, thing((80, -100, 110, 0))) == {'look at'}
    assert verbs_of(level, thing((80, -116, 230, 0))) == {'look at'}
    assert verbs_of(level, thing((80, -60, 180, 0))) == set()


def test_slack_widens_every_limit():
    near_miss = person(**{**SEATED, 'hips': (14, -30)})
    assert verbs_of(near_miss, CHAIR) == set() and verbs_of(near_miss, CHAIR, 0.6) == {'sit on'}
    hardly = person(**{**SEATED, 'hips': (11, -30)})
    assert verbs_of(hardly, CHAIR) == {'sit on'} and verbs_of(hardly, CHAIR, -0.25) == set()
    beside = thing((110, -100, 130, -80))
    off = person(gaze=(math.cos(0.25), math.sin(0.25)))
    assert verbs_of(off, beside) == set() and verbs_of(off, beside, 1.0) == {'look at'}
