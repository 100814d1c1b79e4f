"""The outlines of eggs: polygons in the egg's own frame (um, long axis x, centre at 0)."""

import numpy as np

from plugins.samples.species import Outline, Species

CORNERS = 200


def body(species: Species, half_length: float, half_width: float, rng: np.random.Generator) -> np.ndarray:
    """The border of the egg without appendages: (200, 2) float64 um."""
    shape = species.outline
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** (2 / shape.power) for f in (np.cos(angle), np.sin(angle)))
    y = np.where(y > 0, y * shape.flat, y) + (1 - shape.flat) / 2
    y = y * (1 + shape.taper * x) * half_width * 2 / (1 + shape.flat)
    x = x * half_length
    waves = sum(rng.normal(0, 0.012 / n) * np.cos((n + 1) * angle + rng.uniform(0, 6.3)) for n in (1, 2, 3))
    x, y = x * (1 + waves), y * (1 + waves)
    if shape.shoulder_um:
        ridge = shape.shoulder_um * np.exp(-(((x / half_length - species.shell.lid) / 0.07) ** 2))
        y = y + np.sign(y) * ridge
    if shape.bumps:
        x, y = _mammillate(x, y, angle, shape, rng)
    return np.stack([x, y], 1)


def _mammillate(x: np.ndarray, y: np.ndarray, angle: np.ndarray, shape: Outline, rng: np.random.Generator):
    """Uneven lumps: their spacing and height vary round the egg."""
    spacing = sum(rng.normal(0, 0.9) * np.sin(n * angle + rng.uniform(0, 6.3)) for n in (1, 2, 3, 5))
    height = np.abs(np.sin(angle * shape.bumps / 2 + spacing)) - 0.5
    height = height * shape.bump_um * (1 + sum(0.4 * np.sin(n * angle + rng.uniform(0, 6.3)) for n in (4, 7)))
    radius = np.hypot(x, y)
    return x * (1 + height / radius), y * (1 + height / radius)


def appendages(shape: Outline, half_length: float, half_width: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Spine and knob that continue the shell: list of (N, 2) polygons, um; the plugs are in :func:`plugs`."""
    polygons = []
    if shape.spine_um:
        foot = half_length * -rng.uniform(0.52, 0.60)
        height = half_width * 0.78
        tip = (foot - 0.42 * shape.spine_um, height + 0.80 * shape.spine_um)
        polygons.append(np.array([(foot - 9, height - 5), (foot + 9, height), (foot - 1, height + 6), tip]))
    if shape.knob_um:
        polygons.append(_ellipse(-half_length, 0, shape.knob_um / 2, shape.knob_um / 2))
    return polygons


def plugs(shape: Outline, half_length: float, half_width: float) -> list[np.ndarray]:
    """The two hyaline plugs at the poles: list of (N, 2) polygons, um; empty for a species without."""
    if not shape.plug_um:
        return []
    return [
        _ellipse(side * (half_length + 0.18 * shape.plug_um), 0, 0.62 * shape.plug_um, 0.36 * half_width)
        for side in (-1, 1)
    ]


def _ellipse(x: float, y: float, half_length: float, half_width: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + half_length * np.cos(angle), y + half_width * np.sin(angle)], 1)
