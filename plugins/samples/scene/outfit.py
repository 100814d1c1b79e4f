"""Colours: of people, of what they wear, and of things."""

from dataclasses import dataclass

import numpy as np

SKINS = ((255, 219, 190), (243, 196, 158), (222, 166, 124), (176, 118, 80), (124, 80, 56))
HAIRS = ((44, 32, 30), (84, 54, 36), (140, 90, 48), (214, 168, 84), (176, 78, 42), (150, 150, 155))
CLOTHES = (
    (214, 66, 62),
    (54, 116, 196),
    (62, 152, 98),
    (244, 184, 58),
    (126, 82, 168),
    (236, 128, 158),
    (28, 146, 152),
    (240, 238, 230),
    (238, 128, 52),
    (92, 178, 222),
)
TROUSERS = ((48, 62, 104), (74, 98, 148), (66, 64, 72), (124, 96, 68), (168, 146, 112), (94, 48, 58), (54, 86, 74))
SHOES = ((56, 46, 44), (240, 240, 236), (196, 60, 56), (110, 74, 48))
STYLES = ('short', 'long', 'tail', 'bun', 'curly', 'bald')


@dataclass(frozen=True)
class Outfit:
    """Colours are red, green, blue, 0 .. 255; ``hat`` and ``stripe`` may be None."""

    skin: tuple
    hair: tuple
    style: str
    hat: tuple | None
    shirt: tuple
    stripe: tuple | None
    long_sleeves: bool
    trousers: tuple
    legs: str  # trousers, shorts or skirt
    shoes: tuple


def pick(options, rng: np.random.Generator):
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """A random outfit."""
    shirt, stripe = (CLOTHES[i] for i in rng.choice(len(CLOTHES), 2, replace=False))
    return Outfit(
        skin=pick(SKINS, rng),
        hair=pick(HAIRS, rng),
        style=STYLES[rng.choice(len(STYLES), p=[0.32, 0.2, 0.16, 0.1, 0.16, 0.06])],
        hat=pick(CLOTHES, rng) if rng.random() < 0.22 else None,
        shirt=shirt,
        stripe=stripe if rng.random() < 0.4 else None,
        long_sleeves=bool(rng.random() < 0.5),
        trousers=pick(TROUSERS, rng),
        legs=('trousers', 'shorts', 'skirt')[rng.choice(3, p=[0.58, 0.27, 0.15])],
        shoes=pick(SHOES, rng),
    )
