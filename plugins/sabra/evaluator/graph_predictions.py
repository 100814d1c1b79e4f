"""Predictions of scene graphs by Scene-Graph-Benchmark: custom_prediction.json with custom_data_info.json beside.

For each number of an image: ``bbox`` xyxy, ``bbox_labels`` and ``bbox_scores``; ``rel_pairs``, ``rel_labels``,
``rel_scores`` and, where it was written, ``rel_all_scores`` (every predicate). Label 0 is the background. The other
file names images, classes and predicates. The score of a relation is subject * predicate * object, by which the code
ranks.

The boxes are in the frame of the network's input (shorter side 600 px, longer at most 1,000), not in that of the
picture; the sizes of the truth bring them back.
"""

from pathlib import Path

import numpy as np

from detplug.data.coco_file import read_json
from detplug.errors import UserError

from ..relations import RelationImage, RelationResult, RelationSet
from .fields import ImageIndex, floats, index_pairs, integers, listed, name_numbers, result

INFO = 'custom_data_info.json'
FRAME = (600, 1000)  # px, shorter and longer side of the input


def read_graphs(
    path: Path, content: dict, data: RelationSet, frame: tuple[int, int] | None = FRAME
) -> dict[int, RelationResult]:
    """Position of an image in ``data`` -> its predictions.

    Args:
        content: parsed json of ``path``.
        frame: (shorter, longer) side of the network's input; None where the boxes are in the picture's frame.

    Raises:
        UserError: a file or a field is missing or wrong, an image or a name that the truth has not.
    """
    info_path = path.with_name(INFO)
    info = read_json(info_path)
    files = listed(info, 'idx_to_files', str(info_path))
    labels, predicates = (
        name_numbers(listed(info, key, str(info_path))[1:], ours, f'{info_path}: {key}')
        for key, ours in (('ind_to_classes', data.names.objects), ('ind_to_predicates', data.names.predicates))
    )
    index, predicted = ImageIndex(data.images), {}
    for key, entry in content.items():
        where = f'{path}: {key}'
        number = integers([key], where, 0, len(files))[0]
        position = index.of_name(files[number], f'{info_path}: idx_to_files[{number}]')
        if position in predicted:
            raise UserError(f'{where}: {files[number]} is predicted twice; keep one entry')
        scale = 1.0 if frame is None else _scale(data.images[position], *frame)
        predicted[position] = _image(entry, labels, predicates, scale, where)
    return predicted


def _image(entry: dict, labels: np.ndarray, predicates: np.ndarray, scale: np.ndarray, where: str) -> RelationResult:
    boxes = floats(listed(entry, 'bbox', where), f'{where}.bbox', 4) * scale
    kinds = labels[integers(listed(entry, 'bbox_labels', where), f'{where}.bbox_labels', 1, len(labels) + 1) - 1]
    scores = floats(listed(entry, 'bbox_scores', where), f'{where}.bbox_scores')
    pairs = listed(entry, 'rel_pairs', where)
    ends = index_pairs(pairs, f'{where}.rel_pairs', len(boxes))
    if 'rel_all_scores' in entry:
        each = floats(listed(entry, 'rel_all_scores', where), f'{where}.rel_all_scores', len(predicates) + 1)[:, 1:]
        _same_length(where, rel_pairs=ends, rel_all_scores=each)
        row, predicate = np.indices(each.shape).reshape(2, -1)
        values = each.reshape(-1)
    else:
        kept = listed(entry, 'rel_labels', where)
        predicate = integers(kept, f'{where}.rel_labels', 1, len(predicates) + 1) - 1
        values, row = floats(listed(entry, 'rel_scores', where), f'{where}.rel_scores'), np.arange(len(ends))
        _same_length(where, rel_pairs=ends, rel_labels=predicate, rel_scores=values)
    _same_length(where, bbox=boxes, bbox_labels=kinds, bbox_scores=scores)
    ends = ends[row]
    triplets = np.column_stack([ends, predicates[predicate]])
    return result(boxes, kinds, scores, triplets, values * scores[ends].prod(axis=1))


def _same_length(where: str, **columns: np.ndarray) -> None:
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ', '.join(f'{name} {len(column)}' for name, column in columns.items())
        raise UserError(f'{where}: {lengths}: not of one length; write the file again')


def _scale(image: RelationImage, shorter: int, longer: int) -> np.ndarray:
    """(4,) factors from the network's input to the picture."""
    sides = image.width, image.height
    least, most = min(sides), max(sides)
    size = shorter if most / least * shorter <= longer else int(round(longer * least / most))
    scaled = [size if side == least else int(size * side / least) for side in sides]
    return np.array([side / now for side, now in zip(sides, scaled, strict=True)] * 2)
