"""Things that people use: chairs, boxes, balls, books; every size in heights of a person.

Each drawer takes the generator of random numbers and returns a :class:`Model`; the large ones are in ``bicycle`` and
``horse``.
"""

from dataclasses import dataclass

import numpy as np

from plugins.samples.scene.outfit import CLOTHES, pick
from plugins.samples.scene.parts import Part, bounds, detail, ellipse, polygon, stroke, tone, turned

WOOD = ((150, 98, 58), (196, 146, 92), (110, 70, 46), (222, 190, 140))
CARDBOARD = ((198, 152, 100), (178, 132, 84), (212, 172, 122))
PAPER = (250, 246, 232)


@dataclass(frozen=True)
class Model:
    """A thing that faces x and stands on y = 0.

    Attributes:
        parts: what is drawn.
        seat: where hips rest, None where nobody can sit.
        grips: places for hands or feet, (near, far) each.
    """

    parts: list[Part]
    seat: tuple | None = None
    grips: tuple = ()

    @property
    def middle(self) -> np.ndarray:
        """(2,) the middle of its box."""
        box = bounds(self.parts)
        return (box[:2] + box[2:]) / 2


def moved(model: Model, to: tuple) -> Model:
    """The model with the middle of its box at a place."""
    offset = np.asarray(to) - model.middle
    parts = [Part(p.points + offset, p.colour, p.width, p.contour, p.flat) for p in model.parts]
    return Model(parts, None, model.grips)


def chair(rng: np.random.Generator) -> Model:
    """A wooden chair from the side and a little from above, its seat at 0.26."""
    wood, cushion = pick(WOOD, rng), pick(CLOTHES, rng)
    dark, y, back = tone(wood, 0.72), 0.245, rng.uniform(0.58, 0.66)
    slats = [(-0.119 - 0.12 * s, s) for s in np.linspace(0.36, back - 0.07, 3)]
    parts = [
        stroke([(-0.09, y), (-0.10, 0.05)], dark, 0.032),
        stroke([(0.19, y), (0.20, 0.05)], dark, 0.032),
        stroke([(-0.09, y), (-0.13, back + 0.04)], dark, 0.032),
    ]
    parts += [stroke([(x, s), (x + 0.06, s + 0.03)], wood, 0.03) for x, s in slats]
    parts += [
        stroke([(-0.15, y), (-0.16, 0.018)], wood, 0.036),
        stroke([(0.13, y), (0.14, 0.018)], wood, 0.036),
        stroke([(-0.15, y), (-0.19, back)], wood, 0.036),
        polygon([(-0.165, y), (0.145, y), (0.205, y + 0.035), (-0.10, y + 0.035)], cushion),
        polygon([(-0.165, y - 0.03), (0.145, y - 0.03), (0.145, y), (-0.165, y)], tone(cushion, 0.75)),
        polygon([(0.145, y - 0.03), (0.205, y + 0.005), (0.205, y + 0.035), (0.145, y)], tone(cushion, 0.6)),
    ]
    return Model(parts, (0.03, y + 0.02))


def box(rng: np.random.Generator, width: float, height: float) -> Model:
    """A parcel seen from a little above and aside."""
    plain = rng.random() < 0.6
    colour = pick(CARDBOARD if plain else CLOTHES[:6], rng)
    x, side, up = width / 2, 0.30 * width, 0.16 * width
    band = tone(colour, 1.35) if plain else PAPER
    front = [(-x, 0), (x - side, 0), (x - side, height), (-x, height)]
    top = [(-x, height), (x - side, height), (x, height + up), (-x + side, height + up)]
    right = [(x - side, 0), (x, up), (x, height + up), (x - side, height)]
    middle, half = -side / 2, 0.075 * width
    strip = [(middle - half, height), (middle + half, height), (middle + half + side, height + up)]
    strip.append((middle - half + side, height + up))
    low = 0.0 if not plain else 0.62 * height
    fall = [(middle - half, height), (middle + half, height), (middle + half, low), (middle - half, low)]
    parts = [
        polygon(right, tone(colour, 0.66)),
        polygon(top, tone(colour, 1.3)),
        polygon(front, colour),
        detail(strip, tone(band, 1.2)),
        detail(fall, band),
    ]
    if plain:
        label = [(x - side - 0.34 * width, 0.12 * height), (x - side - 0.08 * width, 0.12 * height)]
        parts.append(detail(label + [(p[0], 0.34 * height) for p in label[::-1]], PAPER))
    else:
        parts.append(detail([(-x, 0.5 * height), (x - side, 0.5 * height)], band, 0.13 * height))
    return Model(parts, (0.0, height + up / 2))


def ball(rng: np.random.Generator, radius: float) -> Model:
    """A beach ball or a football."""
    centre, turn = np.array([0.0, radius]), rng.uniform(0, 6.3)
    first, second = (CLOTHES[i] for i in rng.choice(len(CLOTHES), 2, replace=False))
    if rng.random() < 0.35:
        parts = [polygon(ellipse(centre, (radius, radius), corners=40), (246, 246, 244))]
        spots = [np.zeros(2)] + [0.86 * turned(np.array([1.0, 0]), turn + k * 2 * np.pi / 5) for k in range(5)]
        for spot in spots:
            size = 0.30 if not spot.any() else 0.22
            parts.append(detail(ellipse(centre + radius * 0.88 * spot, (size * radius,) * 2, turn, 5), (40, 40, 48)))
    else:
        parts = [polygon(ellipse(centre, (radius, radius), corners=40), first)]
        for k in range(3):
            angle = np.linspace(0, np.pi / 3, 9) + turn + k * 2 * np.pi / 3
            wedge = np.stack([np.cos(angle), np.sin(angle)], 1) * 0.97 * radius
            hub = 0.25 * radius * np.array([np.cos(turn), np.sin(turn)])
            parts.append(detail(np.concatenate([[hub], wedge]) + centre, second if k else (248, 246, 238)))
    parts.append(detail(ellipse(centre + radius * np.array([-0.38, 0.45]), (0.16 * radius, 0.11 * radius), 0.8), PAPER))
    return Model(parts)


def open_book(rng: np.random.Generator) -> Model:
    """A book held open towards -x, where its reader is."""
    cover, tilt = pick(CLOTHES[:6], rng), rng.uniform(-0.25, 0.05)
    left = [(-0.115, 0.055), (0, 0.0), (0.0, 0.145), (-0.115, 0.20)]
    right = [(0, 0.0), (0.085, 0.045), (0.085, 0.19), (0.0, 0.145)]
    parts = [
        polygon(_grown(left, 0.012), cover),
        polygon(_grown(right, 0.012), tone(cover, 0.8)),
        detail(left, PAPER),
        detail(right, tone(PAPER, 0.88)),
    ]
    for line in (0.30, 0.50, 0.70):
        parts.append(detail([(-0.095, 0.05 + 0.145 * line), (-0.018, 0.012 + 0.145 * line)], (150, 150, 150), 0.008))
        parts.append(detail([(0.018, 0.012 + 0.145 * line), (0.07, 0.04 + 0.145 * line)], (150, 150, 150), 0.008))
    return Model([Part(turned(p.points, tilt), p.colour, p.width, p.contour, p.flat) for p in parts])


def closed_book(rng: np.random.Generator, lying: bool) -> Model:
    """A thick book, lying on the ground or upright."""
    cover = pick(CLOTHES[:7], rng)
    if lying:
        parts = [
            polygon(
                [(-0.14, 0), (0.08, 0), (0.14, 0.055), (0.14, 0.10), (-0.08, 0.10), (-0.14, 0.05)], tone(cover, 0.7)
            ),
            polygon([(0.075, 0.012), (0.14, 0.067), (0.14, 0.10), (0.08, 0.05)], PAPER, 0.006),
            polygon([(-0.135, 0.012), (0.075, 0.012), (0.075, 0.045), (-0.135, 0.045)], PAPER, 0.006),
            polygon([(-0.14, 0.05), (0.08, 0.05), (0.14, 0.10), (-0.08, 0.10)], cover),
            detail([(-0.05, 0.072), (0.06, 0.072)], PAPER, 0.014),
        ]
        return Model(parts)
    parts = [
        polygon([(-0.075, 0), (0.085, 0), (0.085, 0.20), (-0.075, 0.20)], PAPER),
        polygon([(-0.085, 0), (0.07, 0), (0.07, 0.21), (-0.085, 0.21)], cover),
        detail([(-0.06, 0.005), (-0.06, 0.205)], tone(cover, 0.7), 0.02),
        detail([(-0.02, 0.15), (0.045, 0.15)], PAPER, 0.018),
        detail([(-0.01, 0.115), (0.035, 0.115)], PAPER, 0.012),
    ]
    return Model(parts)


def _grown(points: list, by: float) -> np.ndarray:
    """(N, 2) points moved away from their middle."""
    points = np.asarray(points)
    away = points - points.mean(0)
    return points + by * np.sign(away)
