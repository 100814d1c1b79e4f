"""Where units stand in an image: near ones are larger and lower, and they overlap little."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plugins.samples.scene.acts import Unit
from plugins.samples.scene.parts import Part, Placement
from plugins.samples.scene.person import person_geometry
from plugins.samples.scene.verbs import Thing

SIZE = 320  # lengths below are px of an image of this size
MIN_HEIGHT, MAX_HEIGHT = 80.0, 200.0  # of persons
FAR, NEAR = 0.66, 0.955  # ground, share of the image's height
MARGIN = 3.0
FULL = 1.8  # widths of all units, in widths of the image
OVERLAP, BESIDE_OVERLAP = 0.10, 0.30  # of the smaller box
TRIES = 48


@dataclass(frozen=True)
class Figure:
    """A unit that stands somewhere, with the pitch of its person's gaze (see :func:`draw_head`)."""

    unit: Unit
    at: Placement
    pitch: float | None = None

    @property
    def layers(self) -> list[tuple[str, list[Part]]]:
        """As :meth:`Unit.layers`, in px."""
        return [(whose, self.at.parts(parts)) for whose, parts in self.unit.layers(self.pitch)]

    @cached_property
    def things(self) -> dict[str, Thing]:
        """Geometry of 'person' and 'thing', those that there are."""
        found, unit = {}, self.unit
        boxes = {name: self.at.box(unit.extent(self.pitch, name)) for name in unit.names}
        if unit.pose:
            found['person'] = person_geometry(unit.pose, boxes['person'], self.pitch, self.at)
        if unit.model:
            seat = None if unit.model.seat is None else self.at.point(unit.model.seat)
            found['thing'] = Thing(unit.act.kind, self.at.ground, boxes['thing'], seat)
        return found


def spread(units: list[Unit], size: int, room: float, rng: np.random.Generator) -> list[Figure] | None:
    """Places for the units, from far to near; None when no place was found for one.

    Args:
        size: of the image, px.
        room: 1 draws persons as large as usual, less draws them smaller.
    """
    extents = np.stack([_extent(unit) for unit in units])
    widths = extents[:, 1, 0] - extents[:, 0, 0]
    height = np.clip(room * FULL * SIZE / widths.sum(), MIN_HEIGHT, MAX_HEIGHT / 1.07) * rng.uniform(0.72, 1.0)
    idle = np.array([unit.pose is not None and unit.model is None for unit in units])
    figures, boxes = [], np.zeros((0, 4))
    for i in np.argsort(-widths + 10 * idle):
        beside = bool(figures) and idle[i] and rng.random() < 0.6
        spots = _near(figures, boxes, rng) if beside else rng.uniform((0, FAR * size), (size, NEAR * size), (TRIES, 2))
        tall = _heights(spots[:, 1] / size, height, rng) * size / SIZE
        facing = 1 - 2 * rng.integers(2, size=TRIES)
        tried = _boxes(extents[i], spots, tall, facing)
        most = _overlaps(tried, boxes).max(1, initial=0)
        good = np.flatnonzero(_inside(tried, size) & (most <= (BESIDE_OVERLAP if beside else OVERLAP)))
        if not len(good):
            return None
        k = good[0]
        figures.append(Figure(units[i], Placement(*spots[k].tolist(), float(tall[k]), int(facing[k]))))
        boxes = np.concatenate([boxes, tried[k : k + 1]])
    return sorted(figures, key=lambda figure: figure.at.ground)


def _extent(unit: Unit) -> np.ndarray:
    """(2, 2) corners of the box round person and thing, in heights of the person."""
    corners = np.stack([unit.extent(None, name) for name in unit.names])
    return np.stack([corners[:, 0].min(0), corners[:, 1].max(0)])


def _heights(ground: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    """(K,) heights of persons whose ground is at (K,) shares of the image's height; SIZE px."""
    depth = (ground - FAR) / (NEAR - FAR)
    return np.clip(height * (0.86 + 0.28 * depth) * rng.uniform(0.92, 1.08), MIN_HEIGHT, MAX_HEIGHT)


def _near(figures: list[Figure], boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(TRIES, 2) x and ground beside the figures, which have (N, 4) boxes."""
    n = rng.integers(len(figures), size=TRIES)
    tall = np.array([figure.at.scale for figure in figures])[n]
    ground = np.array([figure.at.ground for figure in figures])[n] + rng.normal(0, 0.04, TRIES) * tall
    away = rng.uniform(0, 0.3, TRIES) * tall
    x = np.where(rng.random(TRIES) < 0.5, boxes[n, 0] - away, boxes[n, 2] + away)
    return np.stack([x, ground], 1)


def _boxes(extent: np.ndarray, spots: np.ndarray, tall: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """(K, 4) xyxy px of a unit's (2, 2) extent at K placements."""
    corners = extent * np.stack([tall * facing, -tall], 1)[:, None] + spots[:, None]
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def _inside(boxes: np.ndarray, size: int) -> np.ndarray:
    """(K,) bool: (K, 4) boxes that lie in the image, with their feet on its ground."""
    margin = MARGIN * size / SIZE
    inside = (boxes[:, :2] >= margin).all(1) & (boxes[:, 2:] <= size - margin).all(1)
    return inside & (boxes[:, 3] >= 0.98 * FAR * size)


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(K, N) common area of (K, 4) and (N, 4) boxes, as share of the smaller."""
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - np.maximum(boxes[:, None, :2], others[:, :2])
    areas, other_areas = ((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others))
    return np.maximum(sides, 0).prod(2) / np.minimum(areas[:, None], other_areas)
