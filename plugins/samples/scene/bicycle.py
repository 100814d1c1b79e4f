"""A bicycle from the side, in heights of its rider."""

import math

import numpy as np

from plugins.samples.scene.objects import Model
from plugins.samples.scene.outfit import CLOTHES, pick
from plugins.samples.scene.parts import INK, Part, ellipse, stroke, tone

TYRE, STEEL = (52, 52, 58), (170, 176, 184)
RADIUS = 0.185
REAR, FRONT, CRANKS = np.array([-0.32, 0.20]), np.array([0.34, 0.20]), np.array([-0.04, 0.195])
SADDLE, BARS = np.array([-0.14, 0.48]), np.array([0.20, 0.585])
SEAT_TOP, HEAD_LOW, HEAD_HIGH = np.array([-0.115, 0.405]), np.array([0.265, 0.40]), np.array([0.24, 0.50])


def bicycle(rng: np.random.Generator) -> Model:
    """Frame, wheels, saddle, bars; grips are the bars and the pedals (near, far)."""
    paint, angle = pick(CLOTHES, rng), rng.uniform(0, 2 * math.pi)
    crank = 0.072 * np.array([math.cos(angle), math.sin(angle)])
    parts = _wheel(REAR, rng) + _wheel(FRONT, rng)
    parts.append(_tube([CRANKS, CRANKS - crank], STEEL, 0.02))
    for ends in ((REAR, CRANKS), (REAR, SEAT_TOP), (CRANKS, SEAT_TOP), (SEAT_TOP, HEAD_HIGH), (CRANKS, HEAD_LOW)):
        parts.append(_tube(ends, paint, 0.032))
    parts += [
        _tube([FRONT, HEAD_LOW, HEAD_HIGH], tone(paint, 0.85), 0.034),
        _tube([SEAT_TOP, SADDLE - (0, 0.02)], STEEL, 0.022),
        _tube([HEAD_HIGH, BARS - (-0.02, 0.02)], STEEL, 0.022),
        stroke([BARS + (0.04, -0.02), BARS + (0.03, 0.0), BARS - (0.035, 0.0)], TYRE, 0.03),
        stroke([SADDLE - (0.07, -0.005), SADDLE + (0.075, 0.0)], (70, 48, 38), 0.042),
        stroke([CRANKS], STEEL, 0.07, 0.006),
        _tube([CRANKS, CRANKS + crank], STEEL, 0.022),
        stroke([CRANKS + crank - (0.03, 0), CRANKS + crank + (0.03, 0)], TYRE, 0.022),
        stroke([CRANKS - crank - (0.03, 0), CRANKS - crank + (0.03, 0)], TYRE, 0.022),
    ]
    pedals = (tuple(CRANKS + crank), tuple(CRANKS - crank))
    return Model(parts, tuple(SADDLE), (tuple(BARS), *pedals))


def _tube(points, colour: tuple, width: float) -> Part:
    return stroke(points, colour, width, 0.6 * INK)


def _wheel(hub: np.ndarray, rng: np.random.Generator) -> list[Part]:
    rim = ellipse(hub, (RADIUS, RADIUS), corners=44)
    angle = rng.uniform(0, 1) + np.arange(5) * math.pi / 5
    spoke = 0.97 * RADIUS * np.stack([np.cos(angle), np.sin(angle)], 1)
    spokes = [stroke([hub - s, hub + s], STEEL, 0.006, 0.0) for s in spoke]
    rim = np.concatenate([rim, rim[:1]])
    return [*spokes, stroke(rim, TYRE, 0.036, 0.0), stroke(rim, STEEL, 0.010, 0.0), stroke([hub], STEEL, 0.045, 0.006)]
