"""The relations of many images as columns, so that one array expression works on all of them.

Letters: I images, T relations, D boxes of all images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from detplug.errors import UserError

from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationResult


@dataclass(frozen=True)
class Columns:
    """Relations of several images.

    Args:
        image: (T,) int64, position of the image in the list.
        subject: (T,) int64, number of the subject's box, counted through all images.
        object: (T,) int64, the same, or NO_OBJECT.
        predicate: (T,) int64.
        subject_label: (T,) int64.
        object_label: (T,) int64, NO_OBJECT where there is no object.
        subject_box: (T, 4) float64 xyxy px.
        object_box: (T, 4) float64; where there is no object, the subject's box, so that it changes no overlap.
        score: (T,) float64; 1 for the truth.
    """

    image: np.ndarray
    subject: np.ndarray
    object: np.ndarray
    predicate: np.ndarray
    subject_label: np.ndarray
    object_label: np.ndarray
    subject_box: np.ndarray
    object_box: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def where(self, chosen: np.ndarray) -> 'Columns':
        """The chosen relations: (T,) bool, or positions."""
        return Columns(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def name(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Image, labels of subject and object, predicate: what a prediction must share with the relation it finds."""
        return self.image, self.subject_label, self.object_label, self.predicate


def truth_columns(images: Sequence[RelationImage], names: RelationNames | None = None) -> Columns:
    """All relations of the truth, image after image; arguments and errors as of :func:`predicted_columns`."""
    parts = [(x.boxes, x.labels, x.relations, np.ones(len(x.relations))) for x in images]
    where = [f'image {x.img_id}: relations' for x in images]
    return _columns(*_joined(parts, where, 'check the annotation file', names))


def predicted_columns(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames | None = None
) -> Columns:
    """All predicted relations, image after image, in the order in which the model gives them.

    Args:
        images: whose results they are, in the same order; for the words of an error.
        names: by which the labels are checked; None where any label may be.

    Raises:
        UserError: not one result an image, an index or a label out of range, a number that is not finite.
    """
    return _columns(*_joined(*_predicted(images, results), names))


def check_results(
    images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames | None = None
) -> None:
    """Raise what :func:`predicted_columns` raises, without its memory for many triplets."""
    _joined(*_predicted(images, results), names)


def check_count(images: Sequence[RelationImage], results: Sequence[RelationResult]) -> None:
    """Raise UserError where there is not one result an image."""
    if len(images) != len(results):
        raise UserError(
            f'evaluation: results: {len(results)} for {len(images)} images; give every image one, without triplets '
            'where nothing is predicted'
        )


def blocks(
    images: Sequence[RelationImage], results: Sequence[RelationResult], size: int
) -> Iterator[tuple[Sequence[RelationImage], Sequence[RelationResult]]]:
    """Images and their results, ``size`` images at a time, at least one block; bounds the memory of matching.

    Raises:
        UserError: not one result an image.
    """
    check_count(images, results)
    for start in range(0, max(len(images), 1), size):
        yield images[start : start + size], results[start : start + size]


def _predicted(images: Sequence[RelationImage], results: Sequence[RelationResult]) -> tuple[list, list[str], str]:
    check_count(images, results)
    parts = [(x.boxes, x.labels, x.triplets, x.triplet_scores) for x in results]
    return parts, [f'image {x.img_id}: triplets' for x in images], 'check the model'


def _joined(parts: list[tuple], where: list[str], cure: str, names: RelationNames | None) -> tuple[np.ndarray, ...]:
    """The (boxes, labels, triplets, scores) of all images, and (I, 4) their numbers in each image.

    Args:
        parts: the four of each image.
        where, cure: words of an error; one an image.
    """

    def demand(good: np.ndarray, image: np.ndarray, problem: str) -> None:
        if not good.all():
            raise UserError(f'evaluation: {where[image[good.argmin()]]}: {problem}; {cure}')

    lengths = np.array([[len(column) for column in part] for part in parts], np.int64).reshape(-1, 4)
    every = np.arange(len(lengths))
    demand(lengths[:, 0] == lengths[:, 1], every, 'not one label a box')
    demand(lengths[:, 2] == lengths[:, 3], every, 'not one score a relation')
    empty = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros(0))
    columns = zip(*parts, strict=True) if parts else ((), (), (), ())
    box, label, triplet, score = (np.concatenate([x, *column]) for x, column in zip(empty, columns, strict=True))
    owner, image = np.repeat(every, lengths[:, 0]), np.repeat(every, lengths[:, 2])
    subject, target, predicate = triplet.T
    classes, predicates = (np.inf, np.inf) if names is None else (len(names.objects), len(names.predicates))
    demand(np.isfinite(box).all(axis=1), owner, 'a box is not finite')
    demand((label >= 0) & (label < classes), owner, 'a label is none of the classes')
    demand(np.isfinite(score), image, 'a score is not finite')
    demand((predicate >= 0) & (predicate < predicates), image, 'a predicate is none of the names')
    boxes = lengths[image, 0]
    demand((subject >= 0) & (subject < boxes), image, 'a subject is none of the boxes')
    demand((target >= NO_OBJECT) & (target < boxes), image, 'an object is none of the boxes')
    return box, label, triplet, score, lengths


def _columns(
    box: np.ndarray, label: np.ndarray, triplet: np.ndarray, score: np.ndarray, lengths: np.ndarray
) -> Columns:
    """Columns of what :func:`_joined` returns."""
    image = np.repeat(np.arange(len(lengths)), lengths[:, 2])
    subject, target, predicate = triplet.T
    first = (np.cumsum(lengths[:, 0]) - lengths[:, 0])[image]
    subject, missing = subject + first, target == NO_OBJECT
    end = np.where(missing, subject, target + first)
    return Columns(
        image=image,
        subject=subject,
        object=np.where(missing, NO_OBJECT, end),
        predicate=predicate,
        subject_label=label[subject],
        object_label=np.where(missing, NO_OBJECT, label[end]),
        subject_box=box[subject],
        object_box=box[end],
        score=score,
    )
