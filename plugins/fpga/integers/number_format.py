"""How the integers of a map are read, and how sums are rounded to such a format."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    """How the integers of a map are read: q * 2 ** -frac, ``bits`` wide."""

    frac: int
    signed: bool
    bits: int = 8

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - self.signed)) - 1


def requantise(sums: np.ndarray, shift: int, out: Format) -> np.ndarray:
    """Integers divided by 2 ** shift, halves to the even neighbour, then clipped to ``out``; int64."""
    if shift <= 0:
        return np.clip(sums << -shift, out.low, out.high)
    whole, rest, half = sums >> shift, sums & ((1 << shift) - 1), 1 << (shift - 1)
    return np.clip(whole + ((rest > half) | ((rest == half) & (whole & 1 == 1))), out.low, out.high)
