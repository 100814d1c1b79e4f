"""A saddled pony from the side, in heights of its rider."""

import numpy as np

from plugins.samples.scene.objects import Model
from plugins.samples.scene.outfit import CLOTHES, pick
from plugins.samples.scene.parts import INK, Part, detail, ellipse, polygon, smooth, stroke, tone

# coat, mane
COATS = (
    ((150, 92, 52), (52, 36, 30)),
    ((186, 122, 66), (238, 214, 160)),
    ((98, 62, 44), (46, 32, 28)),
    ((226, 218, 206), (190, 180, 168)),
    ((92, 88, 92), (44, 42, 46)),
)
SEAT = (-0.03, 0.74)
TRUNK = [(0.40, 0.62), (0.36, 0.50), (0.20, 0.42), (-0.05, 0.41), (-0.28, 0.45), (-0.45, 0.50), (-0.50, 0.62)]
TRUNK += [(-0.44, 0.735), (-0.28, 0.745), (-0.05, 0.705), (0.16, 0.735), (0.30, 0.80), (0.46, 0.98), (0.53, 1.04)]
TRUNK += [(0.60, 0.97), (0.54, 0.82), (0.46, 0.70)]
SKULL = [(0.49, 1.03), (0.55, 1.075), (0.63, 1.05), (0.79, 0.88), (0.81, 0.82), (0.76, 0.785), (0.70, 0.80)]
SKULL += [(0.55, 0.90)]
SADDLE = [(-0.16, 0.78), (-0.06, 0.735), (0.07, 0.775), (0.09, 0.71), (-0.02, 0.62), (-0.14, 0.70)]
MANE = [(0.50, 1.09), (0.44, 1.03), (0.30, 0.88), (0.20, 0.76), (0.26, 0.71), (0.36, 0.78), (0.48, 0.92), (0.56, 1.02)]


def horse(rng: np.random.Generator) -> Model:
    """A standing or walking pony with saddle and bridle; its seat is the saddle."""
    coat, mane = pick(COATS, rng)
    step = rng.choice([0.0, 0.07])
    hoof = (50, 44, 42)
    far = tone(coat, 0.72)
    parts = [stroke(smooth([(-0.47, 0.69), (-0.58, 0.60), (-0.60, 0.34)], False), mane, 0.085)]
    parts += _leg((-0.36, 0.50), -0.33 - step, -1, far, hoof) + _leg((0.30, 0.50), 0.33 + step, 1, far, hoof)
    parts += _leg((-0.42, 0.52), -0.43 + step, -1, coat, hoof) + _leg((0.22, 0.50), 0.20 - step, 1, coat, hoof)
    parts += [
        polygon([(0.55, 1.04), (0.56, 1.15), (0.62, 1.05)], far),
        polygon(smooth(TRUNK), coat),
        polygon(smooth(SKULL), coat),
        polygon([(0.49, 1.03), (0.495, 1.16), (0.57, 1.06)], coat),
        polygon(smooth(MANE), mane),
        polygon(smooth([(0.56, 1.09), (0.66, 1.03), (0.64, 0.97), (0.52, 1.06)]), mane),
    ]
    if rng.random() < 0.4:
        parts.append(detail([(0.655, 0.99), (0.765, 0.87)], (246, 242, 236), 0.035))
    parts += _tack(rng)
    parts += [
        detail(ellipse((0.645, 0.965), (0.020, 0.026)), (24, 20, 22)),
        detail(ellipse((0.650, 0.972), (0.007, 0.009)), (250, 250, 250)),
        detail(ellipse((0.772, 0.835), (0.011, 0.014)), tone(coat, 0.4)),
    ]
    return Model(parts, SEAT)


def _leg(top: tuple, foot: float, bend: int, coat: tuple, hoof: tuple) -> list[Part]:
    knee = ((top[0] + foot) / 2 + 0.025 * bend, 0.25)
    line = smooth([top, knee, (foot, 0.06)], False)
    half = np.linspace(0.062, 0.034, len(line))[:, None] * (1, 0)
    shoe = [(foot - 0.038, 0.07), (foot + 0.036, 0.07), (foot + 0.052, 0.012), (foot - 0.044, 0.012)]
    return [polygon(np.concatenate([line - half, (line + half)[::-1]]), coat), polygon(shoe, hoof)]


def _tack(rng: np.random.Generator) -> list[Part]:
    blanket, leather = pick(CLOTHES, rng), (92, 54, 36)
    strap = tone(leather, 0.8)
    return [
        polygon(smooth([(-0.19, 0.725), (0.12, 0.715), (0.13, 0.56), (-0.19, 0.57)]), blanket, 0.8 * INK),
        detail([(-0.18, 0.60), (0.12, 0.59)], tone(blanket, 1.6), 0.02),
        detail([(-0.03, 0.66), (-0.02, 0.43)], strap, 0.02),
        polygon(smooth(SADDLE), leather),
        detail(smooth([(0.745, 0.80), (0.40, 0.80), (0.10, 0.77)], False), strap, 0.014),
        detail([(0.69, 0.815), (0.74, 0.92)], strap, 0.017),
        detail([(0.575, 0.91), (0.615, 1.05)], strap, 0.017),
        detail([(0.595, 0.955), (0.715, 0.868)], strap, 0.017),
    ]
