"""What lies inside the shells: yolk, cells, larvae, embryos.

Each drawer takes (cavity, rng) and returns one (H, W) density map, about 0 .. 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plugins.samples.texture import distance_to_path, grain, line, step


@dataclass(frozen=True)
class Cavity:
    """The room inside the shell, as pixels see it; letters: H, W pixels of the patch; lengths in um.

    Attributes:
        x, y: (H, W) position in the egg's frame (x is the long axis).
        depth: (H, W) distance to the inner wall, positive inside.
        half_length, half_width: of the room.
        um: pixels per um.
        turn: (2, 2) from the egg's frame to the picture.
    """

    x: np.ndarray
    y: np.ndarray
    depth: np.ndarray
    half_length: float
    half_width: float
    um: float
    turn: np.ndarray

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points of the egg's frame as x, y pixels of the patch."""
        height, width = self.x.shape
        return points @ self.turn.T * self.um + (width / 2, height / 2)

    def level(self, x: float, y: float, half_length: float, half_width: float) -> np.ndarray:
        """About the distance to the border of an ellipse, positive inside."""
        radius = np.sqrt(((self.x - float(x)) / half_length) ** 2 + ((self.y - float(y)) / half_width) ** 2)
        return (1 - radius) * min(half_length, half_width)

    def grain(self, rng: np.random.Generator, size: float) -> np.ndarray:
        """Noise with granules of ``size`` um."""
        return grain(rng, self.x.shape, size * self.um)


def granular(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """Even, fine granules (Trichuris)."""
    grains = 0.75 + 0.22 * cavity.grain(rng, 1.0) + 0.18 * cavity.grain(rng, 3.0)
    return grains * step(cavity.depth, 1.2, 2.5)


def single_cell(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """One dense round cell with clear crescents at the poles (fertile Ascaris)."""
    radius = cavity.half_width * rng.uniform(0.84, 0.93)
    centre = rng.normal(0, 0.05, 2) * cavity.half_width
    cell = cavity.level(*centre, radius * rng.uniform(1.0, 1.1), radius)
    inside = np.minimum(step(cell, 0.8, 2.5), step(cavity.depth, 0, 1.5))
    grains = 0.72 + 0.26 * cavity.grain(rng, 0.9) + 0.26 * cavity.grain(rng, 2.4)
    nucleus = cavity.level(*rng.normal(0, 0.12, 2) * radius, radius * 0.32, radius * 0.32)
    return inside * (grains - 0.3 * step(nucleus, 0, 4)) + 0.25 * line(cell, 0.4, 0.9)


def blastomeres(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """Four to eight cells in a clear space (hookworm)."""
    count = int(rng.choice([4, 4, 6, 8]))
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count + rng.normal(0, 0.12, count)
    reach = 0.38 if count < 6 else 0.46
    x = reach * cavity.half_length * np.cos(angle)
    y = reach * cavity.half_width * np.sin(angle) * (1.0 if count < 6 else rng.uniform(0.7, 1.1, count))
    x, y = (centre.astype(np.float32)[:, None, None] for centre in (x, y))
    distance = np.hypot(cavity.x - x, (cavity.y - y) * 1.15)
    near, second = np.partition(distance, 1, axis=0)[:2]
    radius = cavity.half_width * (0.52 if count < 6 else 0.44)
    cell = np.minimum(radius - near, (second - near) * 0.6)
    body = step(cell, 0.3, 1.6) * (0.55 + 0.2 * cavity.grain(rng, 0.9) + 0.10 * cavity.grain(rng, 2.0))
    body += 0.55 * line(cell, 0.5, 0.9) * step(radius - near, -0.5, 1)
    nuclei = line(near, 0, radius * 0.35)
    return (body - 0.22 * nuclei) * step(cavity.depth, 1.0, 1.5)


def larva(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """A worm folded once or twice along the egg (Enterobius)."""
    a, b = cavity.half_length, cavity.half_width
    along = np.linspace(0, 1, 30)
    turn = np.pi * along
    lane = 0.44 * b
    lower = np.stack([(-0.62 + 1.22 * along) * a, -lane + 0.08 * b * np.sin(4 * along)], 1)
    bend = np.stack([0.60 * a + 0.16 * a * np.sin(turn), -lane * np.cos(turn)], 1)
    upper = np.stack([(0.60 - rng.uniform(0.9, 1.25) * along) * a, lane + 0.10 * b * np.sin(5 * along)], 1)
    path = np.concatenate([lower, bend, upper]) * (rng.choice([-1, 1]), 1)
    distance = distance_to_path(cavity.pixels(path), cavity.x.shape) / cavity.um
    radius = 0.36 * b
    tube = step(radius - distance, 0, 1.4)
    worm = tube * (0.55 + 0.22 * cavity.grain(rng, 0.9)) + 0.6 * line(distance, radius, 0.9)
    worm -= 0.2 * line(distance, 0, 0.12 * b + 0.4)
    return worm * step(cavity.depth, 0.4, 1.2)


def yolk(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """Yolk globules that fill the egg, round a pale germ cell (flukes)."""
    size = 0.035 * cavity.half_length + 0.7
    globules = cavity.grain(rng, size)
    texture = 0.62 + 0.20 * globules + 0.40 * np.exp(-((globules / 0.35) ** 2)) - 0.12
    texture += 0.18 * cavity.grain(rng, 0.8) + 0.16 * cavity.grain(rng, 4 * size)
    radius = 0.30 * cavity.half_width
    germ = cavity.level(
        rng.uniform(-0.1, 0.45) * cavity.half_length, rng.normal(0, 0.15) * cavity.half_width, radius, radius
    )
    return (texture - 0.40 * step(germ, 0, 3)) * step(cavity.depth, 1.0, 3.0)


def miracidium(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """A ciliated larva that nearly fills the egg, with gland cells (Schistosoma)."""
    a, b = cavity.half_length * 0.78, cavity.half_width * 0.72
    body = cavity.level(rng.normal(0, 0.03) * a, 0, a, b)
    inside = step(body, 0, 2)
    texture = 0.55 + 0.2 * cavity.grain(rng, 1.0) + 0.22 * cavity.grain(rng, 3.0)
    cells = np.maximum(cavity.grain(rng, 4.5) - 0.7, 0)
    gland = cavity.level(0.45 * a, 0.0, 0.30 * a, 0.34 * b)
    texture += 0.30 * cells + 0.30 * line(gland, 0, 1.6) - 0.15 * step(gland, 0, 3)
    cilia = line(body, -2.0, 1.5) * (0.2 + 0.15 * cavity.grain(rng, 0.8))
    return (inside * texture + 0.45 * line(body, 0, 1.1) + cilia) * step(cavity.depth, 0.5, 1.5)


def _hooks(cavity: Cavity, rng: np.random.Generator, reach: float) -> np.ndarray:
    """Three pairs of hooklets, each about ``reach`` um long."""
    heading = rng.uniform(0, 2 * np.pi)
    aside = 0.75 * reach * np.array([-np.sin(heading), np.cos(heading)])
    distance = np.full(cavity.x.shape, np.inf, np.float32)
    for fan in (-0.75, -0.45, -0.15, 0.15, 0.45, 0.75):
        root = aside * fan
        tip = root + reach * np.array([np.cos(heading + fan), np.sin(heading + fan)])
        distance = np.minimum(distance, distance_to_path(cavity.pixels(np.stack([root, tip])), distance.shape))
    return line(distance, 0, 0.55 * cavity.um)


def hooklets(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """A six-hooked embryo that fills the egg (Taenia)."""
    body = 0.55 + 0.2 * cavity.grain(rng, 1.0) + 0.2 * cavity.grain(rng, 2.5)
    return body * step(cavity.depth, 0.6, 1.5) + 0.7 * _hooks(cavity, rng, 0.55 * cavity.half_width)


def oncosphere(cavity: Cavity, rng: np.random.Generator) -> np.ndarray:
    """A small six-hooked embryo in its own membrane, polar filaments in the room around it (Hymenolepis nana)."""
    a, b = cavity.half_length * rng.uniform(0.60, 0.66), cavity.half_width * rng.uniform(0.60, 0.66)
    embryo = cavity.level(*rng.normal(0, 0.05, 2) * b, a, b)
    body = step(embryo, 0, 1.6) * (0.5 + 0.2 * cavity.grain(rng, 1.0) + 0.12 * cavity.grain(rng, 2.5))
    body += 0.85 * line(embryo, 0.3, 0.9) + 0.6 * _hooks(cavity, rng, 0.55 * b)
    along = np.linspace(0, 1, 12)
    for side in (-1, -1, 1, 1):
        sway = 0.45 * b * np.sin(rng.uniform(2.5, 5) * along) * rng.choice([-1, 1])
        path = np.stack([side * a * (1 + 0.28 * along), sway], 1)
        body += 0.35 * line(distance_to_path(cavity.pixels(path), body.shape), 0, 0.5 * cavity.um)
    return body * step(cavity.depth, 0.5, 1.5)


DRAWERS: dict[str, Callable[[Cavity, np.random.Generator], np.ndarray]] = {
    f.__name__: f for f in (granular, single_cell, blastomeres, larva, yolk, miracidium, hooklets, oncosphere)
}
