"""A person: parts from a pose and an outfit, and the geometry that verbs follow from."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from plugins.samples.scene.head import EYE, front, place_head, profile
from plugins.samples.scene.outfit import Outfit
from plugins.samples.scene.parts import Part, Placement, detail, ellipse, polygon, smooth, stroke, tone, turned
from plugins.samples.scene.pose import HEAD, Pose
from plugins.samples.scene.verbs import Person

ARM, LEG = 0.062, 0.082  # widths
SEAT = [(-0.072, 0.05), (0.072, 0.05), (0.066, -0.02), (-0.066, -0.02)]  # from the hips
SHIRT = [(-0.084, 0.02), (-0.08, 0.14), (-0.098, 0.26), (-0.045, 0.30), (0.045, 0.30), (0.098, 0.26)]
SHIRT += [(0.088, 0.14), (0.084, 0.02), (0.0, 0.005)]
FAR = 0.80  # brightness of the limbs behind the body


class Limbs(NamedTuple):
    """Parts of a person without head, from behind to before: things may lie after ``far`` or before ``near``."""

    far: list[Part]
    body: list[Part]
    near: list[Part]


def draw_limbs(pose: Pose, outfit: Outfit, skirt: bool = True) -> Limbs:
    """Limbs and body in heights of the person; ``skirt``: whether one can be worn in this pose, else it is trousers."""
    legs = outfit.legs if skirt or outfit.legs != 'skirt' else 'trousers'
    far = [_dim(part, FAR) for part in _leg(pose, 1, outfit, legs) + _arm(pose, 1, outfit)]
    neck = stroke([pose.shoulder, pose.neck + 0.3 * HEAD * _up(pose)], tone(outfit.skin, 0.88), 0.075)
    body = [neck, *_leg(pose, 0, outfit, legs), *_torso(pose, outfit, legs)]
    return Limbs(far, body, _arm(pose, 0, outfit))


def draw_head(pose: Pose, outfit: Outfit, pitch: float | None) -> list[Part]:
    """The head in heights of the person.

    Args:
        pitch: of the gaze, radians upwards; None for a face out of the picture.
    """
    return place_head(front(outfit) if pitch is None else profile(outfit), pose.neck, pitch or 0.0)[0]


def person_geometry(pose: Pose, box: np.ndarray, pitch: float | None, at: Placement) -> Person:
    """The geometry in px of the person with a box (4,) xyxy px at a placement."""
    return Person(
        'person',
        at.ground,
        box,
        height=at.scale,
        shoulder=at.point(pose.shoulder),
        hips=at.point(pose.hips),
        hands=at.point(pose.hands),
        knees=at.point(pose.knees),
        feet=at.point(pose.feet),
        **_head_geometry(pose, pitch, at),
    )


def turn_head(person: Person, pose: Pose, pitch: float | None, at: Placement) -> Person:
    """The same person with another gaze; its box stays."""
    return replace(person, **_head_geometry(pose, pitch, at))


def _head_geometry(pose: Pose, pitch: float | None, at: Placement) -> dict:
    _, put = place_head([], pose.neck, pitch or 0.0)
    gaze = None if pitch is None else np.array([math.cos(pitch) * at.facing, -math.sin(pitch)])
    return {'eye': at.point(put(EYE)), 'gaze': gaze, 'top': at.point(put((0, 1)))}


def _up(pose: Pose) -> np.ndarray:
    return turned(np.array([0.0, 1.0]), -pose.lean)


def _dim(part: Part, brightness: float) -> Part:
    return Part(part.points, tone(part.colour, brightness), part.width, part.contour, part.flat)


def _arm(pose: Pose, side: int, outfit: Outfit) -> list[Part]:
    shoulder, elbow, hand = pose.shoulders[side], pose.elbows[side], pose.hands[side]
    line = smooth([shoulder, elbow, hand], closed=False)
    sleeve = line[:-2] if outfit.long_sleeves else line[: len(line) // 2]
    skin = polygon(ellipse(hand, (0.036, 0.036), corners=14), outfit.skin)
    if outfit.long_sleeves:
        return [skin, stroke(sleeve, outfit.shirt, ARM)]
    return [stroke(line, outfit.skin, 0.85 * ARM), skin, stroke(sleeve, outfit.shirt, ARM)]


def _leg(pose: Pose, side: int, outfit: Outfit, kind: str) -> list[Part]:
    hip, knee, ankle = pose.hip_joints[side], pose.knees[side], pose.feet[side]
    line = smooth([hip, knee, ankle], closed=False)
    tip = np.array([(-0.035, -0.035), (0.085, -0.035), (0.088, -0.012), (0.03, 0.016), (0.02, 0.04), (-0.034, 0.03)])
    shoe = polygon(ankle + tip, outfit.shoes)
    if kind == 'trousers':
        return [shoe, stroke(line[:-1], outfit.trousers, LEG)]
    thigh = [stroke(line[: len(line) // 2], outfit.trousers, 1.05 * LEG)] if kind == 'shorts' else []
    return [stroke(line, outfit.skin, 0.8 * LEG), shoe, *thigh]


def _torso(pose: Pose, outfit: Outfit, legs: str) -> list[Part]:
    def put(points) -> np.ndarray:
        return turned(np.asarray(points, float), -pose.lean) + pose.hips

    parts = []
    if legs == 'skirt':
        spread = 0.10 + 0.5 * float(np.abs(pose.knees[:, 0] - pose.hips[0]).max())
        hem = -0.20
        parts.append(polygon(put([(-0.085, 0.06), (0.085, 0.06), (spread, hem), (-spread, hem)]), outfit.trousers))
    else:
        parts.append(polygon(put(smooth(SEAT)), outfit.trousers))
    parts.append(polygon(put(smooth(SHIRT)), outfit.shirt))
    if outfit.stripe:
        parts += [detail(put([(-0.075, y), (0.078, y)]), outfit.stripe, 0.026) for y in (0.07, 0.135, 0.20)]
    return parts
