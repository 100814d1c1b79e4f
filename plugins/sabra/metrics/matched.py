"""Detections that were compared with the truth of their image, as small as the ranking over all images allows.

Which detection is right is known within an image; average precision ranks the detections of all images. Between the
two a detection needs a class, a score and a yes or no: 7 bytes instead of the 300 of its boxes and labels.

Letters: I images, T detections, C classes, K rules by which a detection may be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

JOINED = 2**21  # detections of a block: bounds the memory of sorting it


@dataclass(frozen=True)
class Matched:
    """Detections of a block of images; build with :func:`matched`.

    Args:
        images: I.
        image: (T,) unsigned, position of the image in the block.
        kind: (T,) unsigned, the class, ascending; within a class the detections keep their order.
        score: (T,) float32, or float64 where float32 would change a score.
        right: (T,) uint8, bit k is set where the detection is right by rule k.
        objects: (C,) int64, relations of the truth.
    """

    images: int
    image: np.ndarray
    kind: np.ndarray
    score: np.ndarray
    right: np.ndarray
    objects: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """(C + 1,) int64: the rows of class c are ``starts[c]`` to ``starts[c + 1]``."""
        kinds = np.arange(len(self.objects)).astype(self.kind.dtype)
        return np.append(np.searchsorted(self.kind, kinds), len(self.kind))

    def ranking(self, kind: int, rule: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Scores and (bool) right of the detections of a class, in the order of the images."""
        rows = slice(*self.starts[kind : kind + 2])
        return self.score[rows], (self.right[rows] >> rule & 1).astype(bool)

    def where(self, kept: np.ndarray) -> 'Matched':
        """The detections with (T,) bool ``kept``."""
        columns = (column[kept] for column in (self.image, self.kind, self.score, self.right))
        return Matched(self.images, *columns, self.objects)


def matched(
    images: int,
    image: np.ndarray,
    kind: np.ndarray,
    score: np.ndarray,
    rules: Sequence[np.ndarray],
    objects: np.ndarray,
) -> Matched:
    """A :class:`Matched` of (T,) columns in the order of the detections; ``rules``: K columns (T,) bool, K up to 8."""
    single = np.asarray(score).astype(np.float32)
    score = single if np.array_equal(single, score) else np.asarray(score)
    right = sum((rule.astype(np.uint8) << k for k, rule in enumerate(rules)), np.zeros(len(kind), np.uint8))
    kind = kind.astype(np.min_scalar_type(max(len(objects) - 1, 0)))
    image = image.astype(np.min_scalar_type(max(images - 1, 0)))
    order = np.argsort(kind, kind='stable')
    return Matched(images, *(column[order] for column in (image, kind, score, right)), np.asarray(objects, np.int64))


def join(parts: Sequence[Matched]) -> Matched:
    """The blocks of ``parts`` (at least one) as one block, in their order."""
    first = np.cumsum([0, *(part.images for part in parts)])
    whole = np.min_scalar_type(max(int(first[-1]) - 1, 0))
    image = np.concatenate(
        [part.image.astype(whole) + whole.type(start) for part, start in zip(parts, first, strict=False)]
    )
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ('kind', 'score', 'right')]
    order = np.argsort(columns[0], kind='stable')
    columns = (column[order] for column in (image, *columns))
    return Matched(int(first[-1]), *columns, sum(part.objects for part in parts))


def blocks_of(parts: list[Matched]) -> list[Matched]:
    """``parts``, small ones joined to blocks of up to :data:`JOINED` detections.

    Empties ``parts``, so that no detection is held twice for longer than its block is joined.
    """
    blocks, waiting, rows = [], [], 0
    parts.reverse()
    while parts:
        waiting.append(parts.pop())
        rows += len(waiting[-1].kind)
        if rows >= JOINED or not parts:
            blocks.append(join(waiting) if len(waiting) > 1 else waiting[0])
            waiting, rows = [], 0
    return blocks
