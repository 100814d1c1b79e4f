"""Who looks where: heads are turned so that a person sees exactly what the plan says, or nothing."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from plugins.samples.scene.acts import OTHER, OWN
from plugins.samples.scene.head import EYE_FROM_NECK
from plugins.samples.scene.layout import Figure
from plugins.samples.scene.parts import Placement
from plugins.samples.scene.person import turn_head
from plugins.samples.scene.pose import Pose
from plugins.samples.scene.verbs import looked_at

LOOSE, IDLE_LOOSE = 0.6, 1.8  # slack within which nothing else may be seen by who looks at something, at nothing
DOWN, UP = -0.95, 0.42  # pitch of heads, radians
NEAREST, FARTHEST = 0.35, 2.8  # distance of something looked at, heights of the person
IN_HAND, REACH = 0.165, 0.2  # nearest distance of what is in a hand, and how far from the hand that is
FRONT = 0.8  # share of those who look at nothing whose face looks out of the picture; of riders half
AHEAD = (0.0, 0.12, -0.15, 0.24)  # pitches of those who look at nothing


def aim(figures: list[Figure], rng: np.random.Generator) -> tuple[list[Figure], set] | None:
    """Figures with their gazes; None when somebody finds nothing to look at, or nowhere else to look.

    Returns also who looks at what: {(figure, figure, 'person' or 'thing')}.
    """
    figures, looks = list(figures), set()
    people = [i for i, figure in enumerate(figures) if figure.unit.pose is not None]
    names = [(i, name) for i, figure in enumerate(figures) for name in figure.things]
    boxes = np.stack([figures[i].things[name].box for i, name in names])
    for i in sorted(people, key=lambda i: figures[i].unit.act.looks is None):  # the hardest first
        for figure, pitch, target in _options(i, figures, rng):
            if figure is not figures[i]:
                figures[i] = figure
                boxes = np.stack([figures[k].things[name].box for k, name in names])
            person = turn_head(figure.things['person'], figure.unit.pose, pitch, figure.at)
            seen = looked_at(person, boxes, LOOSE if target else IDLE_LOOSE)
            seen = {names[k] for k in np.flatnonzero(seen)} - {(i, 'person')}
            if seen == ({target} if target else set()):
                break
        else:
            return None
        figures[i] = replace(figure, pitch=pitch)
        looks |= {(i, *target)} if target else set()
    return figures, looks


def _options(i: int, figures: list[Figure], rng: np.random.Generator) -> Iterator[tuple[Figure, float | None, tuple]]:
    """Ways to look, the liked ones first: figure (perhaps turned round), pitch, (index, name) of the target or None."""
    figure = figures[i]
    pose, act = figure.unit.pose, figure.unit.act
    if act.looks == OWN:
        for plain in (figure, _turned(figure)):
            pitch = _pitch_to(pose, plain.at, _aim_point(plain, 'thing'))
            if pitch is not None:
                yield plain, pitch, (i, 'thing')
    elif act.looks == OTHER:
        sides = {figure.at.facing: figure, -figure.at.facing: _turned(figure)}
        targets = [(j, name) for j, other in enumerate(figures) if j != i for name in other.things]
        for n in rng.permutation(len(targets)):
            j, name = targets[n]
            middle = _aim_point(figures[j], name)
            plain = sides[1 if middle[0] > figure.at.x else -1]
            pitch = _pitch_to(pose, plain.at, middle)
            if pitch is not None:
                yield plain, pitch, (j, name)
    else:
        if rng.random() < FRONT / (2 if act.verb == 'ride' else 1):
            yield figure, None, None
        for plain in (figure,) if act.verb else (figure, _turned(figure)):
            for pitch in rng.permutation(AHEAD):
                yield plain, float(pitch), None
        yield figure, None, None


def _turned(figure: Figure) -> Figure:
    return replace(figure, at=replace(figure.at, facing=-figure.at.facing))


def _aim_point(figure: Figure, name: str) -> np.ndarray:
    """(2,) px: the middle of a thing, the chest of a person."""
    left, top, right, bottom = figure.things[name].box
    return np.array([(left + right) / 2, top + (0.3 if name == 'person' else 0.5) * (bottom - top)])


def _pitch_to(pose: Pose, at: Placement, target: np.ndarray) -> float | None:
    """Pitch of a gaze that ends at (2,) px; None when it is behind, too steep, too near or too far.

    The head turns about the neck, so the target seen from the neck is turned until it is as high as the eye.
    """
    x, y = (target - (at.x, at.ground)) / (at.scale * at.facing, -at.scale)
    away = math.hypot(x - pose.neck[0], y - pose.neck[1])
    eye_x, eye_y = EYE_FROM_NECK
    if away <= eye_y:
        return None
    rise = math.asin(eye_y / away)
    pitch = math.remainder(math.atan2(y - pose.neck[1], x - pose.neck[0]) - rise, 2 * math.pi)
    distance = away * math.cos(rise) - eye_x
    nearest = IN_HAND if np.hypot(*(pose.hands - (x, y)).T).min() < REACH else NEAREST
    return pitch if DOWN <= pitch <= UP and nearest <= distance <= FARTHEST else None
