"""The images of an evaluation in a file, to be looked at again without the detector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.engine.atomic_file import write_atomic
from detplug.errors import UserError
from detplug.evaluation.image_result import ImageResult

TRUTH = {'gt_boxes': np.float64, 'gt_labels': np.int64, 'gt_ignored': bool, 'gt_areas': np.float64}
FOUND = {'boxes': np.float64, 'labels': np.int64, 'scores': np.float64}
FRAME = ('img_id', 'img_path', 'width', 'height')


def save_results(path: str | Path, images: Sequence[ImageResult], classes: Sequence[str]) -> None:
    """Write ``images`` as npz; their ``extra`` is left out."""
    columns = {name: np.array([getattr(image, name) for image in images]) for name in FRAME}
    for names, count in ((TRUTH, 'gt_count'), (FOUND, 'count')):
        first = next(iter(names))
        columns[count] = np.array([len(getattr(image, first)) for image in images], np.int64)
        for name, kind in names.items():
            empty = np.zeros((0, 4) if 'boxes' in name else 0, kind)
            columns[name] = np.concatenate([empty, *(getattr(image, name) for image in images)]).astype(kind)
    write_atomic(Path(path), lambda file: np.savez_compressed(file, classes=np.array(classes), **columns))


def load_results(path: str | Path) -> tuple[list[ImageResult], tuple[str, ...]]:
    """(images, class names) of a file that :func:`save_results` wrote.

    Raises:
        UserError: no such file, or another one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = dict(file)
        parts = {}
        for names, count in ((TRUTH, 'gt_count'), (FOUND, 'count')):
            ends = np.cumsum(columns[count])[:-1]
            parts |= {name: np.split(columns[name], ends)[: len(columns[count])] for name in names}
        frame = [columns[name].tolist() for name in FRAME]
        classes = tuple(columns['classes'].tolist())
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f'{path}: not a file of results ({error}); write one with tools/test.py --results') from error
    arrays = zip(*(parts[name] for name in (*TRUTH, *FOUND)), strict=True)
    return [ImageResult(*head, *values) for head, values in zip(zip(*frame, strict=True), arrays, strict=True)], classes
