"""One colour a class, the same in every picture, curve and bar."""

import colorsys
from functools import cache

Colour = tuple[int, int, int]  # red, green, blue, 0 .. 255

# Okabe and Ito's colours for colour-blind readers (black and yellow left out), then steps of the golden ratio.
FIRST = (
    (230, 97, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 66, 150),
    (86, 180, 233),
    (213, 40, 40),
    (125, 87, 193),
    (160, 120, 0),
)
GREY = (128, 128, 128)
BLACK = (0, 0, 0)
GOLDEN = 0.618033988749895


@cache
def class_colour(label: int) -> Colour:
    """The colour of class ``label``; equal labels have equal colours, and negative ones (ignored objects) are grey."""
    if label < 0:
        return GREY
    if label < len(FIRST):
        return FIRST[label]
    step = label - len(FIRST)
    light = (0.85, 0.65, 0.95)[step % 3]
    red, green, blue = colorsys.hsv_to_rgb(step * GOLDEN % 1.0, 0.75, light)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever stands out more from ``background`` (contrast ratio of WCAG 2.1)."""
    return (0, 0, 0) if luminance(background) > 0.179 else (255, 255, 255)


def luminance(colour: Colour) -> float:
    """Relative luminance 0 .. 1 of an sRGB colour (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
