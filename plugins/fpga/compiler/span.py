"""Neighbouring rows of a map, or neighbouring blocks of channels. Ours."""

from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """``count`` rows or blocks from ``first``."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """One past the last."""
        return self.first + self.count

    def cut(self, size: int) -> Iterator['Span']:
        """Spans of ``size``, the last one shorter."""
        return (Span(first, min(size, self.end - first)) for first in range(self.first, self.end, size))
