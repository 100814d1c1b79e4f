"""What a person does, composed: the pose and the thing that belongs to it, one beside the other.

A unit is a person with a thing, a person alone or a thing alone, in heights of the person, facing x.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from plugins.samples.scene import pose as poses
from plugins.samples.scene.bicycle import bicycle
from plugins.samples.scene.horse import horse
from plugins.samples.scene.objects import Model, ball, box, chair, closed_book, moved, open_book
from plugins.samples.scene.outfit import Outfit, draw_outfit
from plugins.samples.scene.parts import Part, bounds
from plugins.samples.scene.person import Limbs, draw_head, draw_limbs
from plugins.samples.scene.pose import Pose

KINDS = ('bicycle', 'horse', 'chair', 'box', 'ball', 'book')
OWN, OTHER = 'own', 'other'
HEAD_TOP = 1.0


class Act(NamedTuple):
    """``verb`` and ``kind`` of its object, both None for a person who does nothing; ``looks`` at: OWN, OTHER, None."""

    verb: str | None = None
    kind: str | None = None
    looks: str | None = None


@dataclass(frozen=True)
class Unit:
    """``order`` says when the thing is drawn: before the person, after the far limbs, or before the near ones."""

    act: Act
    pose: Pose | None = None
    outfit: Outfit | None = None
    model: Model | None = None
    order: str = 'first'
    heads: dict = field(default_factory=dict, repr=False)  # by pitch: drawn once, placed often

    def layers(self, pitch: float | None) -> list[tuple[str, list[Part]]]:
        """('person' or 'thing', parts) in the order of painting; ``pitch``: see :func:`draw_head`."""
        thing = [('thing', self.model.parts)] if self.model else []
        if self.pose is None:
            return thing
        far, body, near = self._limbs
        person = [('person', far), ('person', body + self._head(pitch)[0]), ('person', near)]
        place = {'first': 0, 'after far': 1, 'before near': 2}[self.order]
        return person[:place] + thing + person[place:]

    def extent(self, pitch: float | None, whose: str) -> np.ndarray:
        """(2, 2) x and y of two corners of the box of 'person' or 'thing'."""
        return self._thing_extent if whose == 'thing' else self._head(pitch)[1]

    def _head(self, pitch: float | None) -> tuple[list[Part], np.ndarray]:
        """Parts of the head, and the (2, 2) extent of the person with it."""
        if pitch not in self.heads:
            parts = draw_head(self.pose, self.outfit, pitch)
            both = np.stack([bounds(parts).reshape(2, 2), self._limbs_extent])
            self.heads[pitch] = parts, np.stack([both[:, 0].min(0), both[:, 1].max(0)])
        return self.heads[pitch]

    @cached_property
    def _limbs(self) -> Limbs:
        return draw_limbs(self.pose, self.outfit, self.act.verb not in ('ride', 'sit on'))

    @cached_property
    def _limbs_extent(self) -> np.ndarray:
        return bounds([part for parts in self._limbs for part in parts]).reshape(2, 2)

    @cached_property
    def _thing_extent(self) -> np.ndarray:
        return bounds(self.model.parts).reshape(2, 2)

    @property
    def names(self) -> list[str]:
        """Those of 'person' and 'thing' that there are."""
        return ['person'] * (self.pose is not None) + ['thing'] * (self.model is not None)


def compose(act: Act, rng: np.random.Generator) -> Unit:
    """The person of an act with the thing it needs."""
    outfit = draw_outfit(rng)
    if act.verb is None:
        return Unit(act, poses.standing(rng), outfit)
    pose, model, order = _COMPOSERS[act.verb](act, rng)
    return Unit(act, pose, outfit, model, order)


def alone(kind: str, rng: np.random.Generator) -> Unit:
    """A thing that nobody uses, standing or lying on the ground."""
    if kind == 'box':
        width = rng.uniform(0.24, 0.42)
        model = box(rng, width, width * rng.uniform(0.6, 0.85))
    elif kind == 'ball':
        model = ball(rng, rng.uniform(0.095, 0.135))
    elif kind == 'book':
        model = closed_book(rng, lying=rng.random() < 0.6)
    else:
        model = {'bicycle': bicycle, 'horse': horse, 'chair': chair}[kind](rng)
    return Unit(Act(None, kind), model=model)


def _ride(act: Act, rng: np.random.Generator) -> tuple[Pose, Model, str]:
    if act.kind == 'horse':
        model = horse(rng)
        return poses.riding_horse(model.seat, rng), model, 'after far'
    model = bicycle(rng)
    bars, *pedals = model.grips
    return poses.riding_bicycle(model.seat, bars, pedals, rng), model, 'after far'


def _sit(act: Act, rng: np.random.Generator) -> tuple[Pose, Model, str]:
    model = chair(rng) if act.kind == 'chair' else box(rng, rng.uniform(0.34, 0.40), rng.uniform(0.20, 0.225))
    seat = (0.0 if act.kind == 'chair' else 0.02, model.seat[1])
    return poses.sitting(seat, rng), model, 'first'


def _hold(act: Act, rng: np.random.Generator) -> tuple[Pose, Model, str]:
    """In one hand: before the body, lower, or hanging at the side."""
    way = 0 if act.looks == OWN else int(rng.integers(3))
    near = np.array([(0.25, 0.635), (0.24, 0.57), (-0.16, 0.45)][way]) + rng.normal(0, 0.01, 2)
    pose = poses.with_hands(near, (0.13 if way == 2 else -0.10, 0.44), rng)
    low = way == 2
    if act.kind == 'ball':
        radius = rng.uniform(0.085, 0.11)
        model, grip = ball(rng, radius), (0.0, -0.75 * radius) if low else (0.02, 0.75 * radius)
    elif act.kind == 'box':
        model, grip = box(rng, rng.uniform(0.20, 0.24), rng.uniform(0.13, 0.16)), (0.0, -0.08) if low else (0.03, 0.07)
    else:
        model = closed_book(rng, lying=False) if low else open_book(rng)
        grip = (0.0, -0.06) if low else (0.072, 0.065)
    return pose, moved(model, pose.hands[0] + grip), 'before near'


def _carry(act: Act, rng: np.random.Generator) -> tuple[Pose, Model, str]:
    """In both arms before the chest, on the head, or on a shoulder."""
    way = ('chest', 'head', 'shoulder')[rng.choice(3, p=[0.55, 0.25, 0.2])]
    radius = rng.uniform(0.105, 0.13)
    if act.kind == 'ball':
        model, width, height = ball(rng, radius), 2 * radius, 2 * radius
    else:
        model = box(rng, rng.uniform(0.25, 0.31), rng.uniform(0.16, 0.21))
        left, low, right, high = bounds(model.parts)
        width, height = right - left, high - low
    if way == 'chest':
        x, low = 0.10 + width / 2, 0.60 - height / 2
        pose = poses.with_hands((x - 0.02, low + 0.03), (x + 0.03, low + 0.03), rng)
        return pose, moved(model, (x, low + height / 2)), 'before near'
    if way == 'head':
        middle = (0.01, HEAD_TOP + height / 2)
        hands = (-0.01 - width / 2, HEAD_TOP + 0.03), (0.03 + width / 2, HEAD_TOP + 0.03)
        return poses.with_hands(*hands, rng), moved(model, middle), 'before near'
    middle = (-0.07 - 0.20 * width, 0.755 + height / 2)
    hands = (middle[0] - 0.2 * width, middle[1]), (0.10, 0.43)
    return poses.with_hands(*hands, rng), moved(model, middle), 'after far'


_COMPOSERS = {'ride': _ride, 'sit on': _sit, 'hold': _hold, 'carry': _carry}
