"""What a stool slide holds besides eggs: clumps, fibres, plant cells, pollen, crystals, droplets, air bubbles.

Each drawer takes (optics, rng) and returns a :class:`~plugins.samples.drawing.Drawing`.
"""

import math

import numpy as np

from plugins.samples.drawing import BILE, Drawing, Optics, focus
from plugins.samples.texture import distance_to_path, fill, grain, line, signed_distance, step

GOLD = np.array([0.24, 0.48, 1.0], np.float32)
LEAF = np.array([0.75, 0.50, 1.0], np.float32)  # faded plant tissue: yellow-green


def _finish(pigment, grey, optics: Optics, rng: np.random.Generator, away_um: float, tint=BILE) -> Drawing:
    silhouette = pigment + np.abs(grey) > 0.1
    thickness = rng.uniform(0.7, 1.2)
    planes = pigment * (thickness * optics.stain), grey * thickness
    pigment, grey = (focus(plane, optics, away_um) for plane in planes)
    return Drawing(pigment, grey, tint * rng.uniform(0.93, 1.07, 3).astype(np.float32), silhouette)


def _room(half_um: float, optics: Optics) -> np.ndarray:
    """(2, H, W) y and x in um from the middle of a square patch."""
    half = int(half_um * optics.um)
    return (np.indices((2 * half, 2 * half), dtype=np.float32) + 0.5 - half) / optics.um


def _shape(points: np.ndarray, optics: Optics, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A closed (N, 2) outline in um, at a random angle: (H, W) um from its border, positive inside; the angle."""
    turn = rng.uniform(0, np.pi)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * optics.um
    half = int(np.abs(points).max() + 8 * optics.um)
    return signed_distance(fill(points + half, (2 * half, 2 * half))) / optics.um, turn


def _circle(corners: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return angle, np.cos(angle), np.sin(angle)


def clump(optics: Optics, rng: np.random.Generator) -> Drawing:
    """Granular faecal matter without a clear border."""
    radius, lump = 4 + 13 * rng.random() ** 2, rng.uniform(2.0, 4.0)
    y, x = _room(1.5 * radius + 6, optics)
    coarse, fine = (grain(rng, x.shape, size * optics.um) for size in (lump, 0.9))
    distance = np.sqrt(x * x * rng.uniform(0.6, 1) + y * y * rng.uniform(0.6, 1) + x * y * rng.uniform(-0.5, 0.5))
    edge = radius - distance + (1.5 + 0.25 * radius) * coarse
    inside = step(edge, 1, 3) * step(1.5 * radius + 2 - np.hypot(x, y), 0, 4)
    matter = inside * np.maximum(0.5 + 0.28 * coarse + 0.25 * fine, 0)
    return _finish(rng.uniform(0.35, 0.8) * matter, 0.22 * matter, optics, rng, rng.normal(0, 1.2))


def fibre(optics: Optics, rng: np.random.Generator) -> Drawing:
    """A bent vegetable fibre or hair with double contour."""
    length, radius = rng.uniform(45, 190), float(rng.choice([0.7, 1.2, 2.2, 3.6])) * rng.uniform(0.8, 1.2)
    along = np.linspace(0, 1, 40)
    heading = rng.uniform(0, 6.3) + rng.normal(0, 0.9) * along + rng.normal(0, 0.25) * np.sin(9 * along)
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * length / 40
    margin = radius + 7
    path = (path - path.min(0) + margin) * optics.um
    shape = tuple(2 * int(n / 2) for n in (path.max(0) + margin * optics.um)[::-1])
    distance = distance_to_path(path, shape) / optics.um
    grey = 0.42 * line(distance, radius, 0.7) - 0.10 * line(distance, radius + 1.8, 1.2)
    inside = step(radius - distance, 0, 1)
    pigment = inside * rng.uniform(0.02, 0.30) * (1 + 0.3 * grain(rng, shape, 1.5 * optics.um))
    return _finish(pigment, grey * rng.uniform(0.5, 1.1), optics, rng, rng.normal(0, 1.0))


def plant_cells(optics: Optics, rng: np.random.Generator) -> Drawing:
    """One to a few cells with thick bright-edged walls."""
    angle, x, y = _circle(90)
    waves = sum(rng.normal(0, 0.16 / n) * np.cos(n * angle + rng.uniform(0, 6.3)) for n in range(2, 9))
    radius, stretch = rng.uniform(16, 34) * np.clip(1 + waves, 0.4, 1.7), rng.uniform(1.0, 1.4)
    depth, _ = _shape(np.stack([radius * x * stretch, radius * y / stretch], 1), optics, rng)
    half = depth.shape[0] / 2 / optics.um
    rows, columns = np.indices(depth.shape, dtype=np.float32) / optics.um - half
    seeds = rng.uniform(-0.8, 0.8, (int(rng.integers(2, 9)), 2)).astype(np.float32) * np.float32(half)
    distance = np.sqrt((columns - seeds[:, :1, None]) ** 2 + (rows - seeds[:, 1:, None]) ** 2)
    near, second = np.partition(distance, 1, axis=0)[:2]
    wall = np.minimum(second - near, 2 * np.abs(depth))
    inside = step(depth, 0, 1)
    grey = inside * (0.40 * line(wall, 1.5, 0.9) - 0.10 * line(wall, 0, 1.0)) + 0.2 * line(depth, 0, 0.7)
    pigment = inside * (0.10 + 0.05 * grain(rng, depth.shape, 3 * optics.um))
    return _finish(np.maximum(pigment, 0), grey, optics, rng, rng.normal(0, 1.0), LEAF)


def pollen(optics: Optics, rng: np.random.Generator) -> Drawing:
    """A spiny or three-lobed grain with a thick wall."""
    spiny, radius = rng.random() < 0.5, rng.uniform(10, 15)
    angle, x, y = _circle(240)
    waves = 0.17 * np.abs(np.sin(9 * angle)) ** 3 if spiny else 0.11 * np.cos(3 * angle)
    depth, turn = _shape(radius * np.stack([(1 + waves) * x, (1 + waves) * y], 1), optics, rng)
    pigment = step(depth, 0, 1) * (0.55 + 0.12 * grain(rng, depth.shape, 1.2 * optics.um))
    pigment += 0.5 * line(depth, 1.6, 1.4)
    if not spiny:
        rows, columns = np.indices(depth.shape, dtype=np.float32) - depth.shape[0] / 2
        pores = line(np.cos(3 * (np.arctan2(rows, columns) - turn)), 1, 0.35) * step(-depth, -4.5, 2)
        pigment *= 1 - 0.6 * pores
    grey = 0.35 * line(depth, 0.3, 0.7) - 0.14 * line(depth, -1.8, 1.3)
    return _finish(pigment, grey, optics, rng, rng.normal(0, 0.7), GOLD)


def crystal(optics: Optics, rng: np.random.Generator) -> Drawing:
    """A colourless pointed needle (Charcot-Leyden)."""
    length, width = rng.uniform(18, 50), rng.uniform(3, 6)
    points = np.array([(length / 2, 0), (0, width / 2), (-length / 2, 0), (0, -width / 2)])
    depth, _ = _shape(points, optics, rng)
    grey = 0.45 * line(depth, 0.2, 0.7) - 0.12 * line(depth, 1.8, 0.9) - 0.10 * line(depth, -1.5, 1.2)
    return _finish(0.03 * step(depth, 0, 1), grey, optics, rng, rng.normal(0, 0.8))


def droplets(optics: Optics, rng: np.random.Generator) -> Drawing:
    """A loose group of yeasts or fat droplets, 2 to 7 um wide."""
    half_um = rng.uniform(8, 26)
    half = int(half_um * optics.um)
    rows, columns = np.indices((2 * half, 2 * half), dtype=np.float32) / optics.um
    count = int(rng.integers(1, 9))
    x, y = rng.uniform(6, max(2 * half_um - 6, 7), (2, count, 1, 1)).astype(np.float32)
    radius = rng.uniform(1.2, 3.4, (count, 1, 1)).astype(np.float32)
    depth = (radius - np.hypot(columns - x, (rows - y) * np.float32(rng.uniform(0.8, 1.3)))).max(0)
    grey = 0.45 * line(depth, 0.0, 0.7) - 0.22 * line(depth, 2.2, 1.3) - 0.08 * line(depth, -1.8, 1.0)
    return _finish(0.05 * step(depth, 0, 1), grey, optics, rng, rng.normal(0, 1.0))


def muscle(optics: Optics, rng: np.random.Generator) -> Drawing:
    """An undigested meat fibre: a rounded yellow bar with cross bands."""
    length, width = rng.uniform(28, 60), rng.uniform(11, 18)
    _, x, y = _circle(80)
    points = np.stack([np.sign(x) * np.abs(x) ** 0.5 * length / 2, np.sign(y) * np.abs(y) ** 0.5 * width / 2], 1)
    points += rng.normal(0, 1.2, (16, 2)).repeat(5, 0)
    depth, turn = _shape(points, optics, rng)
    rows, columns = (np.indices(depth.shape, dtype=np.float32) - depth.shape[0] / 2) / optics.um
    along = columns * math.cos(turn) + rows * math.sin(turn)
    bands = np.sin(2.2 * along + 0.4 * grain(rng, depth.shape, 4 * optics.um))
    body = 0.34 + 0.07 * bands + 0.10 * grain(rng, depth.shape, 2.5 * optics.um) + 0.05 * grain(rng, depth.shape, 1.0)
    grey = 0.12 * line(depth, 0.2, 0.9) - 0.07 * line(depth, -1.8, 1.3)
    return _finish(step(depth, 0, 1.6) * body, grey, optics, rng, rng.normal(0, 0.9), GOLD)


def bubble(optics: Optics, rng: np.random.Generator) -> Drawing:
    """An air bubble: a broad black rim, a bright middle, a bright ring outside."""
    radius = rng.uniform(9, 42)
    distance = np.hypot(*_room(radius + 9, optics))
    share = np.minimum(distance / np.float32(radius), 1)
    rim = share ** rng.uniform(7, 14) * step(radius - distance, 0, 1.2)
    edge = radius - distance
    grey = 2.4 * rim - 0.16 * line(share, 0.45, 0.35) * step(edge, 0, 1) - 0.5 * line(edge, 1.0, 0.6)
    grey += 0.5 * line(edge, 0, 0.6) - 0.20 * line(edge, -2.2, 1.4) + 0.10 * line(edge, -5.0, 1.2)
    return _finish(0.0 * share, grey, optics, rng, rng.normal(0, 0.7))


# drawer, mean number an image, positions tried to keep off the eggs
DEBRIS = (
    (clump, 12.0, 3),
    (fibre, 1.4, 2),
    (plant_cells, 0.35, 8),
    (pollen, 0.35, 8),
    (crystal, 0.4, 8),
    (droplets, 5.0, 2),
    (muscle, 0.4, 8),
    (bubble, 0.35, 8),
)
