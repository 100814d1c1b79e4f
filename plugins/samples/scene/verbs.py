"""What a person does with a thing, from their geometry alone: the one source of every label of the sample scenes.

Lengths are measured in heights of the person (standing upright), points are px with y downwards. A thing is at the
person's depth when both stand at nearly the same height of the picture, as their shadows show.

| verb | geometry |
| --- | --- |
| ride | same depth; hips on the seat, knees bent, both feet off the ground |
| sit on | same depth; hips on the seat, knees bent, a foot on the ground |
| carry | same depth; off the ground and either both hands touch it before the chest, or it rests on the head or a |
|  | shoulder and a hand touches it |
| hold | same depth; off the ground, a hand touches it, and it is not carried |
| look at | the gaze hits the inner part of its box, or misses it by a few degrees, from a distance |
"""

import math
from dataclasses import dataclass

import numpy as np

VERBS = ('ride', 'hold', 'carry', 'sit on', 'look at')
SAME_DEPTH = 0.05
SEAT_ASIDE, SEAT_ABOVE = 0.12, 0.08  # of the hips from the point they rest on
KNEES_BENT = math.radians(22)  # both: from straight
FOOT_OFF = 0.085  # ankle above the ground
LIFTED = 0.14  # bottom of the thing above the ground
TOUCH = 0.055  # from hand to box
CHEST_AHEAD = 0.40  # the middle of a thing carried before the chest, from the shoulders
RESTS = 0.05  # bottom of the thing from the top of head or shoulder
RESTS_ASIDE = 0.19
CORE = 0.8  # inner part of a box: of its width and height
GAZE = math.radians(6)  # beside the inner part
AWAY = 0.12  # from the eye to the middle of the thing, at least
CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])


@dataclass(frozen=True)
class Thing:
    """An object, or a person as the object of a verb.

    Attributes:
        kind: name of its class.
        ground: y of the ground below it, px.
        box: (4,) xyxy px, all of it whether visible or not.
        seat: (2,) px, where hips rest; None where nobody can sit.
    """

    kind: str
    ground: float
    box: np.ndarray
    seat: np.ndarray | None = None


@dataclass(frozen=True)
class Person(Thing):
    """A person, who is a thing too.

    Attributes:
        height: px, standing upright.
        eye: (2,) px.
        gaze: (2,) unit vector; None when the face looks out of the picture.
        top: (2,) px, top of the head.
        shoulder: (2,) px, between the shoulders.
        hips: (2,) px.
        hands, knees, feet: (2, 2) px, near and far; feet are ankles.
    """

    height: float = 1.0
    eye: np.ndarray | None = None
    gaze: np.ndarray | None = None
    top: np.ndarray | None = None
    shoulder: np.ndarray | None = None
    hips: np.ndarray | None = None
    hands: np.ndarray | None = None
    knees: np.ndarray | None = None
    feet: np.ndarray | None = None


def verbs_of(person: Person, thing: Thing, slack: float = 0.0) -> frozenset[str]:
    """The verbs of VERBS that hold between a person and a thing; empty for 'none'.

    Args:
        slack: every limit is (1 + slack) times as wide: a verb that needs slack > 0 nearly holds, one that is lost
            with slack < 0 holds hardly. A pair whose verbs do not depend on it reads clearly.
    """
    wide = 1 + slack
    verbs = {'look at'} if looked_at(person, thing.box[None], slack)[0] else set()
    if abs(person.ground - thing.ground) <= SAME_DEPTH * wide * person.height:
        verbs |= _seated(person, thing, wide) | _lifted(person, thing, wide)
    return frozenset(verbs)


def looked_at(person: Person, boxes: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """The rule of 'look at' for (T, 4) xyxy boxes: (T,) bool."""
    if person.gaze is None:
        return np.zeros(len(boxes), bool)
    wide = 1 + slack
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, CORE * (boxes[:, 2:] - boxes[:, :2]) / 2
    away = middle - person.eye
    outside = (np.abs(away) > half).any(1) & (np.hypot(*away.T) * wide >= AWAY * person.height)
    corners = away[:, None] + half[:, None] * CORNERS  # (T, 4, 2)
    across = away[:, None, 0] * corners[..., 1] - away[:, None, 1] * corners[..., 0]
    spread = np.arctan2(across, (away[:, None] * corners).sum(2))  # angles of the corners from the middle
    gaze = np.arctan2(away[:, 0] * person.gaze[1] - away[:, 1] * person.gaze[0], away @ person.gaze)
    return outside & (np.maximum(gaze - spread.max(1), spread.min(1) - gaze) <= GAZE * wide)


def _seated(person: Person, thing: Thing, wide: float) -> set[str]:
    if thing.seat is None:
        return set()
    aside, above = np.abs(person.hips - thing.seat) / person.height
    thigh, shin = person.knees - person.hips, person.feet - person.knees
    straight = (thigh * shin).sum(1) / (np.linalg.norm(thigh, axis=1) * np.linalg.norm(shin, axis=1))
    bent = np.arccos(np.clip(straight, -1, 1)).min() * wide >= KNEES_BENT
    if aside > SEAT_ASIDE * wide or above > SEAT_ABOVE * wide or not bent:
        return set()
    lowest = (person.ground - person.feet[:, 1].max()) / person.height
    verbs = {'ride'} if lowest * wide > FOOT_OFF else set()
    return verbs | ({'sit on'} if lowest <= FOOT_OFF * wide else set())


def _lifted(person: Person, thing: Thing, wide: float) -> set[str]:
    left, top, right, bottom = thing.box
    touching = _distance(person.hands, thing.box) <= TOUCH * wide * person.height
    if (person.ground - bottom) * wide < LIFTED * person.height or not touching.any():
        return set()
    x, y = (left + right) / 2, (top + bottom) / 2
    before_chest = person.shoulder[1] < y < person.hips[1]
    before_chest &= abs(x - person.shoulder[0]) <= CHEST_AHEAD * wide * person.height
    supports = np.stack([person.top, person.shoulder])
    aside, above = np.abs(supports - (x, bottom)).T / person.height
    rests = ((aside <= RESTS_ASIDE * wide) & (above <= RESTS * wide)).any()
    return {'carry'} if rests or (touching.all() and before_chest) else {'hold'}


def _distance(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(P, 2) points to a (4,) xyxy box: (P,) px, 0 inside."""
    beyond = np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0)
    return np.hypot(*beyond.T)
