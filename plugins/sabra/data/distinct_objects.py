"""Files that repeat the boxes of a pair for every relation: the objects behind them."""

from collections.abc import Sequence


class DistinctObjects:
    """Objects of one image, each once, in the order they appear.

    Two boxes are one object only where the class and all four numbers are equal: exact equality, no tolerance, so
    nothing that an annotator drew twice is merged by a guess.
    """

    def __init__(self) -> None:
        self._index: dict[tuple, int] = {}

    def add(self, box: Sequence[float], label: int) -> int:
        """Index of the object with this box (4 numbers) and label."""
        return self._index.setdefault((label, *box), len(self._index))

    @property
    def boxes(self) -> list[tuple[float, ...]]:
        """N boxes of 4 numbers, as they were given."""
        return [key[1:] for key in self._index]

    @property
    def labels(self) -> list[int]:
        """N labels."""
        return [key[0] for key in self._index]

    def extent(self) -> tuple[int, int]:
        """(width, height) px that all xyxy boxes need, at least 1: the size of an image where the file gives none."""
        return extent(self.boxes)


def extent(boxes: Sequence[Sequence[float]]) -> tuple[int, int]:
    """(width, height) px: the largest x2 and y2 of xyxy boxes, rounded up, at least 1."""
    right, bottom = (max((box[at] for box in boxes), default=1) for at in (2, 3))
    return max(1, -int(-right // 1)), max(1, -int(-bottom // 1))
