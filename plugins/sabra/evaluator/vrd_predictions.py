"""Predictions of VRD for the scripts of Lu et al. (ECCV 2016): relationship_det_result.mat, predicate_det_result.mat.

Cell arrays with a cell an image, in the order of ``imagePath`` in imagePath.mat, which must lie beside:
``rlp_labels_ours`` (T, 3) subject, predicate, object, from 1; ``rlp_confs_ours`` T scores; ``sub_bboxes_ours`` and
``obj_bboxes_ours`` (T, 4) xyxy px. Equal boxes of a class are one; the scripts take every row, which is k = 70 here.
In predicate detection the boxes are those of the truth, and a pair that is annotated twice predicts twice: such
repeated predictions are one here, the metric repeats them. Reading needs scipy.
"""

from pathlib import Path

import numpy as np

from detplug.errors import UserError

from ..data.hico_mat import load_mat
from ..relations import RelationImage, RelationResult, RelationSet
from .fields import ImageIndex, floats, integers, result

CELLS = ('rlp_labels_ours', 'rlp_confs_ours', 'sub_bboxes_ours', 'obj_bboxes_ours')
ORDER = 'imagePath'
NEAR = 0.5  # px, between a box and the same one of the truth


def read_vrd(path: Path, data: RelationSet, given: bool) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions.

    Args:
        given: the boxes are those of the truth (predicate detection).

    Raises:
        UserError: a file or a variable is missing or has another shape, an image or a box that the truth has not.
    """
    files, columns = _cells(path.with_name(f'{ORDER}.mat'), [ORDER])[ORDER], _cells(path, CELLS)
    for name, cells in columns.items():
        if len(cells) != len(files):
            raise UserError(
                f'{path}: {name}: {len(cells)} cells for {len(files)} images of {ORDER}.mat; get both again'
            )
    index, predicted = ImageIndex(data.images), {}
    for row, file in enumerate(files):
        where = f'{path}: cell {row + 1}'
        position = index.of_name(''.join(np.asarray(file, str).ravel()), f'{path.with_name(ORDER)}.mat: cell {row + 1}')
        predictions = _image([columns[name][row] for name in CELLS], data, where)
        predicted[position] = on_truth(predictions, data.images[position], where) if given else predictions
    return predicted


def on_truth(predictions: RelationResult, image: RelationImage, where: str) -> RelationResult:
    """The result with the boxes of the truth, each triplet once, with its best score.

    Raises:
        UserError: a box is none of the truth's.
    """
    near = (np.abs(predictions.boxes[:, None] - image.boxes) < NEAR).all(2) & (
        predictions.labels[:, None] == image.labels
    )
    if not near.any(1).all():
        raise UserError(f'{where}: a box is none of the truth; evaluate predictions on other boxes with the task vrd')
    number = near.argmax(1) if len(near) else np.zeros(0, np.int64)
    subject, target, predicate = predictions.triplets.T
    triplets = np.column_stack([number[subject], number[target], predicate])
    order = np.argsort(-predictions.triplet_scores, kind='stable')
    once = order[np.sort(np.unique(triplets[order], axis=0, return_index=True)[1])]
    ones = np.ones(len(image.boxes))
    return result(image.boxes, image.labels, ones, triplets[once], predictions.triplet_scores[once])


def _cells(path: Path, names: list[str] | tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f'{path}: not found; copy it there: it says which image a cell belongs to')
    content = load_mat(path, list(names))
    for name in names:
        if name not in content or content[name].dtype != object:
            raise UserError(f'{path}: {name}: no cell array of that name; get the file again')
    return {name: content[name].ravel() for name in names}


def _image(cells: list[np.ndarray], data: RelationSet, where: str) -> RelationResult:
    labels, scores, subjects, targets = (np.asarray(cell) for cell in cells)
    rows = [floats(x, f'{where}: {name}', columns) for x, name, columns in
            ((labels, CELLS[0], 3), (subjects, CELLS[2], 4), (targets, CELLS[3], 4))]  # fmt: skip
    scores = floats(scores.ravel(), f'{where}: {CELLS[1]}')
    if {len(scores)} != {len(x) for x in rows}:
        raise UserError(f'{where}: {len(scores)} scores for {len(rows[0])} relations; get the file again')
    kinds, objects = rows[0].astype(np.int64), len(data.names.objects)
    for column, count in enumerate((objects, len(data.names.predicates), objects)):
        integers(kinds[:, column], f'{where}: {CELLS[0]}', 1, count + 1)
    subject, predicate, target = (kinds - 1).T
    ends = np.column_stack([np.concatenate([subject, target]), np.concatenate(rows[1:])])
    boxes, number = np.unique(ends, axis=0, return_inverse=True)
    triplets = np.column_stack([*number.reshape(2, -1), predicate])
    return result(boxes[:, 1:], boxes[:, 0], np.ones(len(boxes)), triplets, scores)
