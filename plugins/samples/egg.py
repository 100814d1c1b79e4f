"""Drawing one egg: silhouette, refractile shell, contents, blur by depth."""

import cv2
import numpy as np

from plugins.samples import outline
from plugins.samples.contents import DRAWERS, Cavity
from plugins.samples.drawing import BILE, Drawing, Optics, focus
from plugins.samples.species import Species
from plugins.samples.texture import fill, line, signed_distance, step

HALO_UM = 7.0  # margin of a patch: refraction and blur reach over the border


def draw_egg(species: Species, optics: Optics, rng: np.random.Generator) -> Drawing:
    """An egg of ``species`` at a random angle, in the middle of its patch."""
    half_length, half_width = (
        0.5 * size * float(np.clip(rng.normal(1, species.spread), *_two_sided(species.spread)))
        for size in (species.length_um, species.width_um)
    )
    parts = [
        outline.body(species, half_length, half_width, rng),
        *outline.appendages(species.outline, half_length, half_width, rng),
    ]
    plugs = outline.plugs(species.outline, half_length, half_width)
    turn, shape = _pose(np.concatenate(parts + plugs), optics.um, rng)
    centre = np.array(shape[::-1]) / 2
    masks = [[fill(p @ turn.T * optics.um + centre, shape) for p in some] for some in (parts, plugs)]
    mask = np.maximum.reduce(masks[0])
    rows, columns = np.indices(shape, dtype=np.float32)
    columns, rows = (columns + 0.5 - shape[1] / 2) / optics.um, (rows + 0.5 - shape[0] / 2) / optics.um
    x, y = (columns * float(turn[0, i]) + rows * float(turn[1, i]) for i in (0, 1))
    depth = signed_distance(mask) / optics.um
    wall = species.shell.thickness_um + species.shell.coat_um
    cavity = Cavity(
        x,
        y,
        _inner_depth(species, depth, x / half_length, wall),
        half_length - wall,
        half_width - wall,
        optics.um,
        turn,
    )
    pigment, grey = _shell(species, cavity, depth, half_length, rng)
    filling = np.maximum(DRAWERS[species.contents](cavity, rng), 0)
    pigment += species.pigment * filling + species.haze * step(depth, 0, 1.5)
    grey += species.grey * filling + _relief(depth, optics)
    if plugs:
        grey, pigment = _plug(grey, pigment, np.maximum.reduce(masks[1]), mask, optics.um)
    tint = BILE * rng.uniform(0.95, 1.05, 3).astype(np.float32)
    away = rng.normal(0, 0.45) if rng.random() < 0.85 else rng.uniform(0.8, 1.5)
    thickness = rng.uniform(0.85, 1.15)
    pigment, grey = (focus(plane, optics, away) for plane in (pigment * (thickness * optics.stain), grey * thickness))
    return Drawing(pigment, grey, tint, np.maximum.reduce(masks[0] + masks[1]).astype(bool))


def _two_sided(spread: float) -> tuple[float, float]:
    return 1 - 2 * spread, 1 + 2 * spread


def _pose(points: np.ndarray, um: float, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    angle = rng.uniform(0, 2 * np.pi)
    mirror = rng.choice([-1, 1])
    turn = np.array([[np.cos(angle), -np.sin(angle) * mirror], [np.sin(angle), np.cos(angle) * mirror]])
    reach = np.abs(points @ turn.T).max(0) + HALO_UM
    width, height = (2 * int(np.ceil(r * um)) for r in reach)
    return turn, (height, width)


def _inner_depth(species: Species, depth: np.ndarray, position: np.ndarray, wall: float) -> np.ndarray:
    thickening = species.shell.back_um * step(-position, 0.75, 0.4) if species.shell.back_um else 0
    return depth - wall - thickening


def _shell(species, cavity, depth, half_length, rng) -> tuple[np.ndarray, np.ndarray]:
    """Pigment and grey density of coat, wall, double contour, striations and lid."""
    shell = species.shell
    inner = cavity.depth
    outer = depth - shell.coat_um
    between = step(outer, 0, 0.9) * step(-inner, 0, 0.9)
    pigment = shell.pigment * between
    if shell.striations:
        angle = np.arctan2(cavity.y, cavity.x)
        pigment *= 1 + 0.35 * np.sin(angle * shell.striations) + 0.1 * cavity.grain(rng, 1.0)
    if shell.coat_um:
        coat = step(depth, 0, 1.2) * step(-outer, 0, 1.5)
        pigment += 0.62 * coat * (1 + 0.25 * cavity.grain(rng, 1.3)) + 0.25 * line(depth, 0.6, 0.9)
    contours = line(outer, 0.35, 0.75) + 0.75 * line(inner, 0, 0.65)
    grey = 0.55 * shell.contour * contours
    pigment += 0.55 * shell.contour * contours * min(1.0, 0.25 + 1.6 * shell.pigment)
    grey -= shell.glint * line(outer, 0.5 * shell.thickness_um + 0.2, 0.30 * shell.thickness_um + 0.2)
    grey -= shell.glint * (1.1 * line(depth, -1.7, 1.3) + 0.5 * line(inner, 1.6, 1.0))
    if shell.lid:
        seam = cavity.x / half_length - shell.lid + 0.10 * (cavity.y / cavity.half_width) ** 2
        mark = line(seam * half_length, 0, 0.75) * step(depth, 0.3, 1)
        grey += 0.55 * shell.contour * mark - shell.glint * line(seam * half_length, -1.8, 1.0) * step(depth, 0.3, 1)
        pigment += 0.3 * shell.contour * mark
    return pigment, grey


def _relief(depth: np.ndarray, optics: Optics) -> np.ndarray:
    """Slightly oblique light: one flank of the shell darker, the other brighter."""
    across = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=optics.um / 8)
    down = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=optics.um / 8)
    return 0.14 * (optics.light[0] * across + optics.light[1] * down) * line(depth, 0.8, 2.4)


def _plug(grey: np.ndarray, pigment: np.ndarray, plug: np.ndarray, body: np.ndarray, um: float):
    """Clear plugs seated in the poles: they interrupt the dark wall."""
    depth = signed_distance(plug) / um
    inside = step(depth, 0.2, 1.0)
    grey = grey * (1 - 0.85 * inside) + 0.30 * line(depth, 0.2, 0.7) - 0.08 * inside
    grey -= 0.10 * line(depth, -1.6, 1.2) * (1 - body)
    return grey, pigment * (1 - 0.80 * inside) + 0.12 * line(depth, 0.2, 0.8)
