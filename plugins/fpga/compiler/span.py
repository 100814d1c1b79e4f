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

    def read_by(self, stride: int, padding: int, kernel: int, rows: int) -> 'Span':
        """Of a map of ``rows`` rows those that these rows of the output of a window need."""
        begin = self.first * stride - padding
        first = max(begin, 0)
        return Span(first, min(begin + (self.count - 1) * stride + kernel, rows) - first)

    def cut(self, size: int) -> Iterator['Span']:
        """Spans of ``size``, the last one shorter."""
        return (Span(first, min(size, self.end - first)) for first in range(self.first, self.end, size))
