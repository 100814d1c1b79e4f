"""How the integers of a map are read, and how sums are rounded to such a format."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    """How the integers of a map are read: (q - zero) * 2 ** -frac, ``bits`` wide."""

    frac: int
    signed: bool
    bits: int = 8
    zero: int = 0

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - self.signed)) - 1

    def values(self, q: np.ndarray) -> np.ndarray:
        """float64 of integers."""
        return (q - self.zero) * 2.0**-self.frac


def requantise(sums: np.ndarray, shift: int | np.ndarray, out: Format) -> np.ndarray:
    """Integers divided by 2 ** shift, plus the zero point, halves to the even neighbour, clipped to ``out``; int64.

    ``shift`` is one for all, or broadcasts with ``sums``; a negative one multiplies.
    """
    down = np.maximum(shift, 0)
    sums = (sums << np.maximum(-shift, 0)) + (out.zero << down)
    whole, rest, half = sums >> down, sums & ((1 << down) - 1), (1 << down) >> 1
    up = (rest > half) | ((rest == half) & (whole & 1 == 1) & (down > 0))
    return np.clip(whole + up, out.low, out.high)


@dataclass(frozen=True)
class Table:
    """An activation of 2 ** bits numbers.

    Attributes:
        format: signed, of any ``bits``; sums are rounded to it and looked up.
        values: (2 ** bits,) integers of the output's format, from the smallest integer on.
    """

    format: Format
    values: np.ndarray

    def look_up(self, q: np.ndarray) -> np.ndarray:
        """int64, the same shape, of integers in ``format``."""
        return self.values[q - self.format.low].astype(np.int64)
