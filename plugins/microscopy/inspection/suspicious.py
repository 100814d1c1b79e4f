"""Labels that a detector contradicts, which must not have been trained on them (out-of-fold).

L labels of an image, D detections.
"""

from collections.abc import Sequence

import numpy as np

from detplug.data.formats.annotation_set import AnnotationSet
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError
from detplug.runtime.matching import overlaps
from detplug.runtime.results import Picture, Results, by_end

from .findings import LOOK_AT, Finding, Key

CONFIDENT = 0.7  # score from which on a detection is held against the labels
SAME, NEAR = 0.5, 0.3  # IoU of boxes of one object, of boxes that have to do with one another
MISSED_FROM = 0.1  # a label counts as unseen where the results go down to this score
Line = tuple[str, Key]


def suspicious_labels(found: AnnotationSet, results: Results) -> list[Finding]:
    """Confident detections of another name than the label, and without any label; labels that nothing is near to.

    Raises:
        UserError: none of the images is in the results.
    """
    records = {record.file_name: (split.name, record) for split in found.splits for record in split.records}
    other: list[tuple[float, Line]] = []
    missing: list[tuple[float, Line]] = []
    unseen: list[Line] = []
    compared = 0
    for picture in results.pictures():
        name = by_end(picture.name, records)
        if name is None:
            continue
        compared += 1
        split, record = records[name]
        of_picture = _compare(picture, record, found.names)
        other += [(score, (line, (split, name))) for score, line in of_picture[0]]
        missing += [(score, (line, (split, name))) for score, line in of_picture[1]]
        unseen += [(line, (split, name)) for line in of_picture[2]]
    if not compared:
        raise UserError(f'{results.folder}: --results: has none of the images; predict the images of the data set')
    most_confident = [[line for _, line in sorted(lines, key=lambda x: -x[0])] for lines in (other, missing)]
    deep = results.score_thr <= MISSED_FROM
    return [
        _finding('labels that a confident detection names otherwise', 'which name is right?', most_confident[0]),
        _finding('confident detections without a label', 'was an object left out?', most_confident[1]),
        _finding('labels that no detection is near to', 'is there an object?', unseen if deep else []),
    ]


def _compare(
    picture: Picture, record: ImageRecord, names: Sequence[str]
) -> tuple[list[tuple[float, str]], list[tuple[float, str]], list[str]]:
    """(score, line) of detections with another name and without label; lines of labels that nothing is near to."""
    labels = np.array([item.box for item in record.objects], np.float64).reshape(-1, 4)
    given = np.array([item.name for item in record.objects], object)
    iou = overlaps(picture.boxes, labels)
    other, missing = [], []
    for d in np.flatnonzero(picture.scores >= CONFIDENT):
        if picture.names[d] not in names:  # a name that the data set does not have says nothing of its labels
            continue
        near = iou[d] >= SAME
        where = f'{one_line(record.file_name)}: {picture.names[d]} {picture.scores[d]:.2f} at '
        where += ', '.join(f'{side:.0f}' for side in picture.boxes[d])
        if near.any() and picture.names[d] not in given[near]:
            label = given[int(iou[d].argmax())]
            other.append((float(picture.scores[d]), f'{where}: labelled {one_line(label)}'))
        elif not (iou[d] >= NEAR).any():
            missing.append((float(picture.scores[d]), where))
    lonely = np.flatnonzero(~(iou >= NEAR).any(0)) if len(labels) else []
    unseen = [f'{one_line(record.file_name)}: {one_line(given[i])} at {", ".join(f"{x:.0f}" for x in labels[i])}'
              for i in lonely if not record.objects[i].ignored]  # fmt: skip
    return other, missing, unseen


def _finding(kind: str, cure: str, lines: Sequence[Line]) -> Finding:
    return Finding(kind, LOOK_AT, cure, [line for line, _ in lines], [[key] for _, key in lines])
