"""Predictions in the project's own two forms.

- A folder that ``detplug predict`` wrote: predictions.json (boxes) and relations.json.
- relations npz: columns, for any program to write. I images, D boxes, T relations:

      file_name (I,) text                     boxes (D, 4) xyxy px, labels (D,), scores (D,), box_image (D,) 0 .. I - 1
      classes, predicates: names              triplets (T, 3) subject, object (-1: not in the picture), predicate;
                                              triplet_scores (T,), triplet_image (T,); subject and object count from 0
                                              in their image, in the order of the boxes
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.data.coco_file import read_json
from detplug.errors import UserError, one_line

from ..relations import NO_OBJECT, RelationImage, RelationNames, RelationResult, RelationSet
from .fields import ImageIndex, field, floats, integers, name_numbers, result
from .whole_file import write_whole

BOXES, RELATIONS = 'predictions.json', 'relations.json'
COLUMNS = (
    'file_name', 'classes', 'predicates', 'boxes', 'labels', 'scores', 'box_image', 'triplets', 'triplet_scores',
    'triplet_image',
)  # fmt: skip


def read_predicted_folder(folder: Path, data: RelationSet) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions, from what ``detplug predict`` wrote.

    Raises:
        UserError: a file or a field is missing, an image or a name that the truth has not.
    """
    rows, relations = (_rows(folder / name) for name in (BOXES, RELATIONS))
    index, path = ImageIndex(data.images), folder / BOXES
    files = [field(x, 'file_name', f'{path}[{i}]') for i, x in enumerate(rows)]
    image = np.array([index.of_name(name, f'{path}: file_name') for name in files], np.int64)
    corner = floats([field(x, 'bbox', f'{path}[{i}]') for i, x in enumerate(rows)], f'{path}: bbox', 4)
    boxes = np.concatenate([corner[:, :2], corner[:, :2] + corner[:, 2:]], axis=1)
    words = [field(x, 'category_name', f'{path}[{i}]') for i, x in enumerate(rows)]
    labels = name_numbers(words, data.names.objects, f'{path}: category_name')
    scores = floats([field(x, 'score', f'{path}[{i}]') for i, x in enumerate(rows)], f'{path}: score')

    path = folder / RELATIONS
    values = {
        key: [field(x, key, f'{path}[{i}]') for i, x in enumerate(relations)]
        for key in ('subject', 'object', 'predicate', 'score')
    }
    subject = integers(values['subject'], f'{path}: subject', 0, len(rows))
    targets = [NO_OBJECT if x is None else x for x in values['object']]
    target = integers(targets, f'{path}: object', NO_OBJECT, len(rows))
    owner = image[subject]
    apart = (target != NO_OBJECT) & (image[target] != owner) if len(target) else np.zeros(0, bool)
    if apart.any():
        raise UserError(f'{path}[{apart.argmax()}]: subject and object lie in two images; predict again')
    predicate = name_numbers(values['predicate'], data.names.predicates, f'{path}: predicate')
    triplets = np.stack([subject, target, predicate], axis=1)
    return split_images(image, (boxes, labels, scores), owner, triplets, floats(values['score'], f'{path}: score'))


def read_npz(path: Path, data: RelationSet) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions, from a relations npz.

    Raises:
        UserError: not such a file, an image or a name that the truth has not.
    """
    content = _columns(path)
    index, count = ImageIndex(data.images), len(content['file_name'])
    image = np.array([index.of_name(name, f'{path}: file_name') for name in content['file_name'].tolist()], np.int64)
    if len(set(image.tolist())) < count:
        raise UserError(f'{path}: file_name: an image is listed twice; join its rows')
    classes, predicates = (
        name_numbers(content[key].tolist(), ours, f'{path}: {key}')
        for key, ours in (('classes', data.names.objects), ('predicates', data.names.predicates))
    )
    boxes, scores, triplet_scores = (
        floats(content[key], f'{path}: {key}', columns)
        for key, columns in (('boxes', 4), ('scores', None), ('triplet_scores', None))
    )
    labels = classes[integers(content['labels'], f'{path}: labels', 0, len(classes))]
    owner, of_triplet = (integers(content[key], f'{path}: {key}', 0, count) for key in ('box_image', 'triplet_image'))
    triplets = integers(content['triplets'].reshape(-1), f'{path}: triplets', NO_OBJECT, len(boxes) + len(predicates))
    triplets = triplets.reshape(-1, 3)
    lengths = (len(boxes), len(labels), len(scores), len(owner)), (len(triplets), len(triplet_scores), len(of_triplet))
    if any(len(set(each)) > 1 for each in lengths):
        raise UserError(f'{path}: columns of boxes {lengths[0]}, of triplets {lengths[1]}: not of one length')
    rows = _rows_of_boxes(path, triplets, of_triplet, owner, count, len(predicates))
    rows[:, 2] = predicates[rows[:, 2]]
    predicted = split_images(image[owner], (boxes, labels, scores), image[of_triplet], rows, triplet_scores)
    return {position: predicted.get(position) or result([], [], [], [], []) for position in image.tolist()}


def _columns(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = {name: np.atleast_1d(archive[name]) for name in archive.files}
    except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f'{path}: not readable as npz ({one_line(error)}); write it again') from None
    for name in COLUMNS:
        field(content, name, f'{path}: columns')
    if content['triplets'].ndim != 2 or content['triplets'].shape[1] != 3:
        raise UserError(f'{path}: triplets: shape {content["triplets"].shape}, not (T, 3); write the file again')
    return content


def _rows_of_boxes(
    path: Path, triplets: np.ndarray, image: np.ndarray, owner: np.ndarray, count: int, predicates: int
) -> np.ndarray:
    """(T, 3) triplets whose subject and object count in all boxes, from those that count in their image.

    Args:
        triplets: (T, 3); ``image``: (T,) of each; ``owner``: (D,) image of each box; ``count``: images.

    Raises:
        UserError: a subject, object or predicate out of range.
    """
    order = np.argsort(owner, kind='stable')
    starts = np.searchsorted(owner[order], np.arange(count + 1))
    subject, target, predicate = triplets.T
    size = np.diff(starts)[image]
    wrong = (subject < 0) | (subject >= size) | (target >= size) | (predicate < 0) | (predicate >= predicates)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f'{path}: triplets[{row}]: {triplets[row].tolist()}: not boxes of its image, which has {size[row]}, and a '
            f'predicate below {predicates}; subject and object count from 0 in each image'
        )
    if not len(triplets):
        return triplets
    ends = [order[np.maximum(end, 0) + starts[image]] for end in (subject, target)]
    return np.stack([ends[0], np.where(target < 0, NO_OBJECT, ends[1]), predicate], axis=1)


def split_images(
    image: np.ndarray,
    boxes: tuple[np.ndarray, np.ndarray, np.ndarray],
    owner: np.ndarray,
    triplets: np.ndarray,
    scores: np.ndarray,
) -> dict[int, RelationResult]:
    """The predictions of each image.

    Args:
        image: (D,) of each box.
        boxes: (D, 4) boxes, (D,) labels, (D,) scores.
        owner: (T,) image of each triplet.
        triplets: (T, 3), subject and object are rows of ``boxes``.
        scores: (T,).
    """
    by_image, by_owner = np.argsort(image, kind='stable'), np.argsort(owner, kind='stable')
    numbers = np.unique(np.concatenate([image, owner]))
    box_starts, box_ends = (np.searchsorted(image[by_image], numbers, side) for side in ('left', 'right'))
    starts, ends = (np.searchsorted(owner[by_owner], numbers, side) for side in ('left', 'right'))
    position = np.empty(len(image) + 1, np.int64)
    position[-1] = NO_OBJECT  # of no object
    predicted = {}
    for k, number in enumerate(numbers.tolist()):
        rows, chosen = by_image[box_starts[k] : box_ends[k]], by_owner[starts[k] : ends[k]]
        position[rows] = np.arange(len(rows))
        numbered = triplets[chosen].copy()
        numbered[:, :2] = position[numbered[:, :2]]
        predicted[number] = result(*(column[rows] for column in boxes), numbered, scores[chosen])
    return predicted


def write_npz(
    path: str | Path, images: Sequence[RelationImage], results: Sequence[RelationResult], names: RelationNames
) -> None:
    """Write predictions as a relations npz, whole or not at all."""
    number = np.arange(len(images))
    columns = dict(
        file_name=np.array([image.file_name or str(image.img_id) for image in images], str),
        classes=np.array(names.objects, str),
        predicates=np.array(names.predicates, str),
        box_image=np.repeat(number, [len(x.boxes) for x in results]),
        triplet_image=np.repeat(number, [len(x.triplets) for x in results]),
    )
    empty = dict(
        boxes=np.zeros((0, 4)), labels=np.zeros(0, int), scores=np.zeros(0), triplets=np.zeros((0, 3), int),
        triplet_scores=np.zeros(0),
    )  # fmt: skip
    columns |= {key: np.concatenate([none, *(getattr(x, key) for x in results)]) for key, none in empty.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)
    write_whole(path, buffer.getvalue())


def _rows(path: Path) -> list:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f'{path}: not a list of rows; give the folder that detplug predict wrote')
    return rows
