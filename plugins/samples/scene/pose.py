"""Poses of a person: joints in heights of the person, x ahead, y up, the ground at 0."""

import math
from dataclasses import dataclass

import numpy as np

from plugins.samples.scene.parts import turned

THIGH, SHIN = 0.225, 0.215
UPPER_ARM, FOREARM = 0.165, 0.16
ANKLE = 0.035  # above the sole
HIPS = 0.455  # above the ground, standing
TORSO, NECK = 0.275, 0.33  # from the hips to the shoulders, to the base of the head
HEAD = 0.106  # radius
SHOULDER_WIDTH, HIP_WIDTH = 0.062, 0.038  # half: bodies are seen from a little before


@dataclass(frozen=True)
class Pose:
    """Joints: ``near`` ones are in front of the body, ``far`` ones behind; each (2,) or (2, 2) near and far.

    ``lean`` is the angle of the back from upright towards x, in radians.
    """

    hips: np.ndarray
    lean: float
    shoulder: np.ndarray
    neck: np.ndarray
    shoulders: np.ndarray
    elbows: np.ndarray
    hands: np.ndarray
    hip_joints: np.ndarray
    knees: np.ndarray
    feet: np.ndarray


def make_pose(hips: tuple, hands: tuple, feet: tuple, lean: float = 0.0) -> Pose:
    """A pose from where hips, hands (near, far) and ankles (near, far) are; out of reach they come as near as can be.

    Elbows point down or back, and away from the face when a hand is raised.
    """
    hips = np.asarray(hips, float)
    shoulder, neck = (hips + turned(np.array([0, length]), -lean) for length in (TORSO, NECK))
    across = turned(np.array([1.0, 0.0]), -lean)
    shoulders = np.stack([shoulder - SHOULDER_WIDTH * across, shoulder + SHOULDER_WIDTH * across])
    hip_joints = np.stack([hips - HIP_WIDTH * across, hips + HIP_WIDTH * across])
    bends = (1 if hands[0][1] > shoulders[0, 1] + 0.1 else -1, -1)
    arms = [_two_links(s, h, UPPER_ARM, FOREARM, b) for s, h, b in zip(shoulders, hands, bends, strict=True)]
    legs = [_two_links(h, f, THIGH, SHIN, 1) for h, f in zip(hip_joints, feet, strict=True)]
    elbow, hand = np.stack(arms, 1)
    knee, foot = np.stack(legs, 1)
    return Pose(hips, lean, shoulder, neck, shoulders, elbow, hand, hip_joints, knee, foot)


def _two_links(root, end, first: float, second: float, bend: int) -> tuple[np.ndarray, np.ndarray]:
    """Joint and end of two links from ``root`` towards ``end`` (law of cosines); ``bend`` is the joint's side."""
    away = np.asarray(end, float) - root
    reach = math.hypot(*away)
    distance = min(max(reach, abs(first - second) + 1e-3), 0.999 * (first + second))
    direction = away / reach if reach else np.array([0.0, -1.0])
    angle = math.acos((first**2 + distance**2 - second**2) / (2 * first * distance))
    return root + first * turned(direction, bend * angle), root + distance * direction


def standing(rng: np.random.Generator) -> Pose:
    """On both feet or walking, arms at ease."""
    stride = rng.choice([0.03, 0.05, 0.13])
    feet = ((-stride, ANKLE), (stride, ANKLE))
    return make_pose(_hips_over(feet), free_hands(rng), feet, rng.normal(0, 0.03))


def free_hands(rng: np.random.Generator) -> tuple:
    """Near and far hand of somebody who holds nothing: they hang, swing, wave or rest on the hips."""
    kinds = [
        ((-0.10, 0.43), (0.09, 0.43)),
        ((-0.16, 0.46), (0.16, 0.47)),
        ((-0.075, 0.475), (0.10, 0.43)),
        ((-0.27, 0.95), (0.10, 0.43)),
    ]
    return tuple(kinds[rng.choice(len(kinds), p=[0.4, 0.3, 0.2, 0.1])] + rng.normal(0, 0.01, (2, 2)))


def _hips_over(feet: tuple) -> tuple:
    """Hips as high as legs that are nearly straight allow."""
    stride = abs(feet[0][0] - feet[1][0]) / 2
    return (0.0, ANKLE + math.sqrt((0.995 * (THIGH + SHIN)) ** 2 - max(stride - HIP_WIDTH, 0) ** 2))


def with_hands(near: tuple, far: tuple, rng: np.random.Generator) -> Pose:
    """Standing or walking with both hands at places."""
    relaxed = standing(rng)
    return make_pose(relaxed.hips, (near, far), relaxed.feet, -0.02)


def sitting(seat: tuple, rng: np.random.Generator) -> Pose:
    """Hips on a seat at about 0.26, shins upright, hands on the thighs."""
    x, y = seat
    ahead = rng.uniform(0.185, 0.215)
    feet = ((x + ahead - 0.03, ANKLE), (x + ahead + 0.06, ANKLE))
    rest = ((x + 0.13, y + 0.085), (x + 0.17, y + 0.09))
    hips = (x, y + 0.045)
    return make_pose(hips, rest, feet, rng.uniform(-0.06, 0.06))


def riding_bicycle(seat: tuple, bars: tuple, pedals: tuple, rng: np.random.Generator) -> Pose:
    """On the saddle, hands on the bars, feet on the pedals (near, far)."""
    hips = (seat[0], seat[1] + 0.04)
    feet = tuple((x - 0.02, y + 0.03) for x, y in pedals)
    return make_pose(hips, (bars, (bars[0] + 0.03, bars[1])), feet, rng.uniform(0.22, 0.34))


def riding_horse(seat: tuple, rng: np.random.Generator) -> Pose:
    """Astride, reins in both hands."""
    x, y = seat
    hips = (x, y + 0.045)
    feet = ((x + 0.09, y - 0.30), (x + 0.11, y - 0.29))
    reins = (x + 0.22, y + 0.15 + rng.normal(0, 0.01))
    return make_pose(hips, (reins, (reins[0] + 0.02, reins[1] + 0.01)), feet, rng.uniform(-0.02, 0.08))
