"""Places that scenes happen in: a meadow, a street, a room. Nothing in them looks like an annotated class.

Each drawer takes the side of the picture in px and the generator of random numbers and returns (S, S, 3) uint8 red,
green, blue, whose ground begins above ``layout.FAR``.
"""

from collections.abc import Callable

import cv2
import numpy as np

from plugins.samples.scene.outfit import pick
from plugins.samples.scene.parts import SHIFT, ellipse, smooth, tone
from plugins.samples.texture import grain

SKIES = (((112, 176, 226), (214, 232, 240)), ((92, 150, 214), (206, 226, 238)), ((142, 160, 214), (254, 220, 190)))
GRASSES = ((118, 168, 76), (98, 154, 82), (148, 172, 84))
FLOWERS = ((250, 246, 236), (246, 208, 70))
FACADES = ((226, 196, 158), (206, 140, 112), (182, 196, 204), (236, 222, 188), (168, 182, 150), (214, 170, 176))
WALLS = ((222, 214, 196), (186, 206, 210), (232, 206, 188), (198, 212, 184), (214, 200, 222))
FLOORS = ((186, 140, 94), (160, 116, 78), (204, 170, 128))
RUGS = ((150, 76, 74), (84, 108, 138), (118, 132, 96), (168, 134, 88))
HAZE = ((150, 176, 176), (96, 140, 84))  # mixed with the grass of far and near hills
HORIZON = 0.56  # share of the height, about


def meadow(size: int, rng: np.random.Generator) -> np.ndarray:
    """Sky with clouds, hills with trees, grass with flowers."""
    horizon = HORIZON + rng.uniform(-0.06, 0.03)
    picture = _sky(size, horizon, rng)
    grass = pick(GRASSES, rng)
    x = np.linspace(-0.1, 1.1, 25)
    for layer in range(2):
        waves = sum(rng.normal(0, 0.028 / n) * np.sin(n * 4 * x + rng.uniform(0, 6.3)) for n in (1, 2, 3))
        top = horizon - 0.055 * (1 - layer) + waves * (1 - 0.5 * layer)
        colour = (0.55 * np.array(grass) + 0.45 * np.array(HAZE[layer])).tolist()
        if layer:
            for spot in rng.choice(25, int(rng.integers(2, 6)), replace=False):
                _tree(picture, x[spot], top[spot] + 0.01, rng.uniform(0.06, 0.13), rng)
        _fill(picture, np.concatenate([np.stack([x, top], 1), [(1.1, 1.0), (-0.1, 1.0)]]), colour)
    ground = np.concatenate([np.stack([x, horizon + 0.02 + 0.008 * np.sin(5 * x)], 1), [(1.1, 1.0), (-0.1, 1.0)]])
    _fill(picture, ground, grass)
    return _grass(picture, horizon + 0.02, grass, rng)


def street(size: int, rng: np.random.Generator) -> np.ndarray:
    """A row of houses, pavement, kerb, road."""
    picture = _sky(size, 0.45, rng)
    foot, left = 0.565 + rng.uniform(-0.02, 0.02), -rng.uniform(0, 0.15)
    while left < 1:
        width = rng.uniform(0.24, 0.42)
        _house(picture, left, width, foot, rng)
        left += width
    kerb = foot + rng.uniform(0.12, 0.18)
    paving, asphalt = tone((196, 188, 176), rng.uniform(0.9, 1.1)), tone((128, 130, 136), rng.uniform(0.9, 1.15))
    _fill(picture, _rectangle(-0.1, foot, 1.1, kerb), paving)
    middle = rng.uniform(0.2, 0.8)
    for x in np.linspace(-1.2, 2.2, 22):
        _line(picture, [(middle + 0.8 * (x - middle), foot), (x, kerb)], tone(paving, 0.9), 0.004)
    _fill(picture, _rectangle(-0.1, kerb, 1.1, 1.1), asphalt)
    _fill(picture, _rectangle(-0.1, kerb, 1.1, kerb + 0.016), tone(paving, 1.25))
    _fill(picture, _rectangle(-0.1, kerb + 0.016, 1.1, kerb + 0.028), tone(paving, 0.68))
    y, start = kerb + rng.uniform(0.10, 0.14), rng.uniform(-0.2, 0)
    for x in np.arange(start, 1.1, 0.24):
        _fill(picture, [(x, y), (x + 0.13, y), (x + 0.125, y + 0.014), (x - 0.008, y + 0.014)], (226, 222, 210))
    rough = 5.0 * grain(rng, (size, size), 0.7) + 3.0 * grain(rng, (size, size), size / 20)
    return _textured(picture, rough, foot)


def room(size: int, rng: np.random.Generator) -> np.ndarray:
    """A papered wall with window and pictures, skirting, a floor of boards, a rug."""
    wall, wood = pick(WALLS, rng), pick(FLOORS, rng)
    picture = np.full((size, size, 3), wall, np.uint8)
    foot = HORIZON + rng.uniform(-0.03, 0.03)
    for x in np.arange(rng.uniform(0, 0.06), 1.1, 0.085):
        _fill(picture, _rectangle(x, 0, x + 0.04, foot), tone(wall, 0.965))
    _window(picture, rng.uniform(0.05, 0.28), foot, rng)
    for x in rng.choice([0.60, 0.75, 0.88], int(rng.integers(1, 3)), replace=False):
        _frame(picture, x, foot - rng.uniform(0.26, 0.38), rng)
    _fill(picture, _rectangle(-0.1, foot, 1.1, 1.1), wood)
    middle = rng.uniform(0.3, 0.7)
    for number, x in enumerate(np.linspace(-1.6, 2.6, 27)):
        left, right = middle + 0.5 * (x - middle), middle + 0.5 * (x + 0.16 - middle)
        edge = [(left, foot), (right, foot), (x + 0.16, 1.0), (x, 1.0)]
        _fill(picture, edge, tone(wood, 1 - 0.07 * ((number * 7) % 3)))
        _line(picture, [edge[0], edge[3]], tone(wood, 0.72), 0.003)
    _fill(picture, _rectangle(-0.1, foot - 0.028, 1.1, foot), tone(wall, 1.6))
    _line(picture, [(-0.1, foot), (1.1, foot)], tone(wood, 0.6), 0.005)
    if rng.random() < 0.7:
        rug, centre = pick(RUGS, rng), (rng.uniform(0.35, 0.65), rng.uniform(0.80, 0.86))
        for share, shade in ((1, 1), (0.88, 1.35), (0.82, 1)):
            _fill(picture, ellipse(centre, (0.36 * share, 0.115 * share), corners=48), tone(rug, shade))
    fibres = grain(rng, (size, size), 0.6)
    boards = cv2.resize(grain(rng, (size // 6 + 1, size), 0.8), (size, size))
    return _textured(picture, 2.2 * fibres + 2.6 * boards, foot)


def _sky(size: int, horizon: float, rng: np.random.Generator) -> np.ndarray:
    high, low = (np.array(c, np.float32) for c in SKIES[rng.choice(len(SKIES), p=[0.45, 0.4, 0.15])])
    share = np.clip(np.arange(size, dtype=np.float32) / (horizon * size), 0, 1)[:, None, None]
    clear = (1 - share) * high + share * low
    clouds = grain(rng, (size, size), size / 9) + 0.6 * grain(rng, (size, size), size / 22)
    cover = np.clip(0.9 * (clouds - rng.uniform(0.6, 1.6)), 0, 0.9) * (1 - 0.5 * share[..., 0])
    planes = [plane + cover * (251 - plane) for plane in clear.transpose(2, 0, 1)]
    return cv2.merge([cv2.convertScaleAbs(plane) for plane in planes])


def _grass(picture: np.ndarray, horizon: float, grass: tuple, rng: np.random.Generator) -> np.ndarray:
    """Patches, blades and flowers, larger near the viewer."""
    size = len(picture)
    patches = 7 * grain(rng, (size, size), size / 12) + 5 * grain(rng, (size, size), size / 40)
    picture = _textured(picture, patches + 4 * grain(rng, (size, size), 0.7), horizon)
    for shade in (0.78, 0.9, 1.18):
        near = rng.random(260) ** 0.8
        root = np.stack([rng.random(260), horizon + 0.01 + near * (1 - horizon)], 1)
        tip = root + np.stack([rng.normal(0, 0.006, 260), -0.008 - 0.018 * near], 1)
        blades = list(_fixed(np.stack([root, tip], 1), size))
        cv2.polylines(picture, blades, False, tone(grass, shade), max(1, size // 320), cv2.LINE_AA, SHIFT)
    for _ in range(rng.poisson(26)):
        near = rng.random()
        spot = (rng.random(), horizon + 0.02 + near * (1 - horizon))
        _fill(picture, ellipse(spot, (0.003 + 0.004 * near,) * 2, corners=8), pick(FLOWERS, rng))
    return picture


def _tree(picture: np.ndarray, x: float, foot: float, height: float, rng: np.random.Generator) -> None:
    leaves = pick(((86, 132, 70), (70, 118, 78), (120, 142, 66)), rng)
    _line(picture, [(x, foot), (x, foot - 0.6 * height)], (104, 80, 60), 0.10 * height)
    for shade, offset, radius in ((0.85, 0.10, 0.34), (1.0, -0.08, 0.36), (1.12, -0.04, 0.22)):
        for dx, dy in ((-0.2, 0), (0.2, 0.02), (0, -0.22)):
            centre = (x + (dx + 0.3 * offset) * height, foot - (0.72 - dy) * height + offset * 0.5 * height)
            _fill(picture, ellipse(centre, (radius * height,) * 2, corners=18), tone(leaves, shade))


def _house(picture: np.ndarray, left: float, width: float, foot: float, rng: np.random.Generator) -> None:
    colour, glass = pick(FACADES, rng), pick(((120, 146, 164), (96, 120, 140), (168, 188, 196)), rng)
    top = rng.uniform(0.0, 0.2)
    _fill(picture, _rectangle(left, top, left + width, foot), colour)
    _fill(picture, _rectangle(left, top, left + width, top + 0.022), tone(colour, 0.72))
    _fill(picture, _rectangle(left, foot - 0.04, left + width, foot), tone(colour, 0.8))
    _line(picture, [(left, top), (left, foot)], tone(colour, 0.8), 0.004)
    columns, door = int(width / 0.105), int(rng.integers(int(width / 0.105)))
    for column in range(columns):
        x = left + width * (column + 0.5) / columns
        for y in np.arange(foot - 0.11, top + 0.06, -0.145):
            is_door = column == door and y > foot - 0.12
            if is_door:
                _fill(picture, _rectangle(x - 0.032, foot - 0.135, x + 0.032, foot), tone(colour, 1.35))
                _fill(picture, _rectangle(x - 0.026, foot - 0.13, x + 0.026, foot), tone(glass, 0.6))
                continue
            _fill(picture, _rectangle(x - 0.031, y - 0.05, x + 0.031, y + 0.042), tone(colour, 1.35))
            _fill(picture, _rectangle(x - 0.025, y - 0.044, x + 0.025, y + 0.036), glass)
            _line(picture, [(x, y - 0.044), (x, y + 0.036)], tone(colour, 1.35), 0.005)
            _line(picture, [(x - 0.025, y - 0.01), (x + 0.025, y - 0.01)], tone(colour, 1.35), 0.005)


def _window(picture: np.ndarray, left: float, foot: float, rng: np.random.Generator) -> None:
    top, right, bottom = foot - 0.44, left + 0.26, foot - 0.14
    glass, white, curtain = pick(SKIES, rng)[1], (246, 244, 238), pick(RUGS, rng)
    _fill(picture, _rectangle(left - 0.015, top - 0.015, right + 0.015, bottom + 0.02), white)
    _fill(picture, _rectangle(left, top, right, bottom), glass)
    hill = smooth([(left, bottom - 0.06), (left + 0.10, bottom - 0.11), (right, bottom - 0.05)], closed=False)
    _fill(picture, np.concatenate([hill, [(right, bottom), (left, bottom)]]), (150, 180, 130))
    middle = (left + right) / 2
    _line(picture, [(middle, top), (middle, bottom)], white, 0.010)
    _line(picture, [(left, (top + bottom) / 2), (right, (top + bottom) / 2)], white, 0.010)
    for outer, inner in ((left - 0.045, left + 0.035), (right + 0.045, right - 0.035)):
        cloth = [(outer, top - 0.03), (inner, top - 0.03), ((outer + inner) / 2, bottom + 0.06), (outer, bottom + 0.06)]
        _fill(picture, cloth, tone(curtain, 1.5))
    _line(picture, [(left - 0.06, top - 0.032), (right + 0.06, top - 0.032)], (110, 84, 62), 0.012)


def _frame(picture: np.ndarray, x: float, y: float, rng: np.random.Generator) -> None:
    """A framed landscape."""
    width, height = rng.uniform(0.045, 0.065), rng.uniform(0.05, 0.075)
    _fill(picture, _rectangle(x - width, y - height, x + width, y + height), (120, 90, 60))
    width, height = width - 0.010, height - 0.010
    _fill(picture, _rectangle(x - width, y - height, x + width, y + height), pick(SKIES, rng)[1])
    hill = [(x - width, y + height), (x - width, y + 0.01), (x - 0.2 * width, y - 0.02), (x + width, y + 0.02)]
    _fill(picture, [*hill, (x + width, y + height)], pick(GRASSES, rng))


def _textured(picture: np.ndarray, rough: np.ndarray, horizon: float) -> np.ndarray:
    """(S, S) ``rough`` added to all colours below the horizon, a little of it above."""
    strength = np.where(np.arange(len(picture)) > horizon * len(picture), 1.0, 0.25).astype(np.float32)
    rough = cv2.convertScaleAbs(rough * strength[:, None] + 128)
    rough = cv2.merge([rough] * 3)
    return cv2.addWeighted(picture, 1, rough, 1, -128)


def _rectangle(left: float, top: float, right: float, bottom: float) -> list:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _fill(picture: np.ndarray, points, colour: tuple) -> None:
    cv2.fillPoly(picture, [_fixed(np.asarray(points), len(picture))], tuple(colour), cv2.LINE_AA, SHIFT)


def _line(picture: np.ndarray, points, colour: tuple, width: float) -> None:
    thickness = max(1, round(width * len(picture)))
    points = _fixed(np.asarray(points), len(picture))
    cv2.polylines(picture, [points], False, tuple(colour), thickness, cv2.LINE_AA, SHIFT)


def _fixed(points: np.ndarray, size: int) -> np.ndarray:
    return np.round(points * (size << SHIFT)).astype(np.int32)


PLACES: dict[str, Callable] = {'meadow': meadow, 'street': street, 'room': room}
