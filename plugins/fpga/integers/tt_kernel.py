"""A Tensor-Train kernel in integers, and the dense kernel that the accelerator rebuilds from it.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) rebuilds dense weights on chip; that the intermediate product is int8 too, so
that one array of int8 multipliers does both products and the convolution, is ours.

O output channels, I input channels, r1 and r2 ranks.
"""

from dataclasses import dataclass

import numpy as np

from .number_format import Format, requantise


@dataclass(frozen=True)
class TTKernel:
    """int8 cores of one layer.

    Attributes:
        first: (r1, I).
        middle: (r2, r1, kh, kw); None for a 1x1 layer, which is a pair with r1 = r2.
        last: (O, r2).
        middle_shift: middle x first is divided by 2 ** middle_shift.
        last_shift: last x (that) is divided by 2 ** last_shift.
    """

    first: np.ndarray
    middle: np.ndarray | None
    last: np.ndarray
    middle_shift: int
    last_shift: int

    @property
    def bytes(self) -> int:
        """Of all cores."""
        return sum(core.size for core in (self.first, self.middle, self.last) if core is not None)

    def inner(self) -> np.ndarray:
        """(r2, I, kh, kw) int8: the middle core times the first; of a pair the first as it is."""
        if self.middle is None:
            return self.first[:, :, None, None].astype(np.int8)
        sums = np.einsum('srhw,ri->sihw', self.middle.astype(np.int64), self.first.astype(np.int64))
        return to_int8(sums, self.middle_shift)

    def rebuild(self) -> np.ndarray:
        """(O, I, kh, kw) int8."""
        sums = np.einsum('os,sihw->oihw', self.last.astype(np.int64), self.inner().astype(np.int64))
        return to_int8(sums, self.last_shift)


def to_int8(sums: np.ndarray, shift: int) -> np.ndarray:
    """Sums divided by 2 ** shift, halves to the even neighbour, clipped to int8; ``shift`` >= 0."""
    return requantise(sums, shift, Format(0, signed=True)).astype(np.int8)
