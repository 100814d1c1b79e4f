"""Where in the memories on the chip the next tile goes: each memory is a ring, so that tiles lie side by side. Ours.

Nothing is freed: what waits for whom follows from the addresses, see `dependencies`.
"""

from ..hardware.instructions import TABLES, Memory
from ..hardware.sizes import Sizes


class Chip:
    """Of one program; ``take`` goes round each memory."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self._depths = {
            Memory.ACTIVATIONS: sizes.activations, Memory.WEIGHTS: sizes.weights, Memory.BIASES: 4 * sizes.biases,
            Memory.RESULTS: sizes.results, Memory.RESIDUALS: sizes.residuals,
        }  # fmt: skip
        self._first = dict.fromkeys(self._depths, 0)
        self._next = dict.fromkeys(self._depths, 0)
        self._bank = self._table = 0

    def take(self, memory: Memory, words: int) -> int:
        """First of ``words`` neighbouring words, which must be no more than the ring has."""
        if self._next[memory] + words > self._depths[memory]:
            self._next[memory] = self._first[memory]
        start = self._next[memory]
        self._next[memory] += words
        return start

    def reserve(self, memory: Memory, words: int) -> None:
        """The ring begins behind the first ``words`` words, which it leaves alone, until the next call."""
        self._first[memory] = self._next[memory] = words

    def table(self) -> int:
        """Of the tables of activations, one after the other."""
        self._table = (self._table + 1) % TABLES
        return self._table

    def bank(self) -> int:
        """Of the accumulators, one after the other."""
        self._bank ^= 1
        return self._bank
