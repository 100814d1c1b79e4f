"""Detections as a folder of npz files, one an image, with features of the boxes and of their unions where wanted.

Letters: D detections, P pairs, E and U numbers of a feature.
"""

import zipfile
from pathlib import Path

import numpy as np

from detplug.errors import UserError, one_line

from .image_names import parts_of
from .table import check_values

NEEDED, FEATURES = ('boxes', 'scores', 'classes'), ('features', 'union_pairs', 'unions')


class NpzFolder:
    """The files below a folder: of the picture ``train/a.jpg`` it is ``train/a.npz`` or ``a.npz``.

    Args:
        path: the folder.

    Raises:
        UserError: it has no npz file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.files = {file.relative_to(self.path).with_suffix('').as_posix() for file in self.path.rglob('*.npz')}
        if not self.files:
            raise UserError(f'{path}: no npz file in this folder; it has one an image: boxes, scores, classes')

    def read(self, image: str) -> dict[str, np.ndarray] | None:
        """Checked arrays of the picture at path ``image``; None where there is no file of it.

        boxes (D, 4) xyxy px, scores (D,), classes (D,) names and, in files with features, features (D, E) float32,
        union_pairs (P, 2) int64 indices into the boxes, unions (P, U) float32.
        """
        parts = parts_of(image)
        stem = '/'.join([*parts[:-1], Path(parts[-1]).stem]).split('/')
        ends = ('/'.join(stem[start:]) for start in range(len(stem)))
        name = next((end for end in ends if end in self.files), None)
        return None if name is None else read_npz(self.path / f'{name}.npz')


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one file.

    Raises:
        UserError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f'{path}: not readable as npz ({one_line(error, 100)}); write it again by np.savez') from None
    for name in NEEDED:
        if name not in arrays:
            raise UserError(f'{path}: {name}: missing; an image has boxes (D, 4), scores (D,) and classes (D,)')
    unknown = sorted(arrays.keys() - {*NEEDED, *FEATURES})
    if unknown:
        raise UserError(f'{path}: {one_line(unknown[0])}: no known array; these are: {", ".join(NEEDED + FEATURES)}')
    return _checked(path, arrays)


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    number = len(arrays['boxes']) if arrays['boxes'].ndim else 0
    shapes = dict(boxes=(number, 4), scores=(number,), classes=(number,))
    if 'features' in arrays:
        shapes['features'] = (number, *arrays['features'].shape[1:2])
    if 'unions' in arrays or 'union_pairs' in arrays:
        if not {'unions', 'union_pairs', 'features'} <= arrays.keys():
            raise UserError(
                f'{path}: unions: go with features and union_pairs (P, 2), whose boxes they are of; add them'
            )
        pairs = len(arrays['union_pairs']) if arrays['union_pairs'].ndim else 0
        shapes |= dict(union_pairs=(pairs, 2), unions=(pairs, *arrays['unions'].shape[1:2]))
    for name, shape in shapes.items():
        kinds = 'U' if name == 'classes' and number else 'iu' if name == 'union_pairs' else 'fiuU'
        if arrays[name].shape != shape or arrays[name].dtype.kind not in kinds or len(shape) < 1:
            kind = {'U': 'texts', 'iu': 'whole numbers'}.get(kinds, 'numbers')
            raise UserError(
                f'{path}: {name}: {arrays[name].dtype} {arrays[name].shape}; {kind} of shape {shape} are needed'
            )
    boxes, scores = (arrays[name].astype(np.float32) for name in ('boxes', 'scores'))
    check_values(boxes, scores, lambda row: f'{path}: [{row}]', whole=False)
    out = dict(boxes=boxes, scores=scores, classes=arrays['classes'].astype(str))
    for name in ('features', 'unions'):
        if name in arrays:
            out[name] = arrays[name].astype(np.float32)
            if arrays[name].ndim != 2 or not np.isfinite(out[name]).all():
                raise UserError(f'{path}: {name}: finite numbers of shape (rows, dims) are needed; write them again')
    if 'union_pairs' in arrays:
        pairs = arrays['union_pairs'].astype(np.int64)
        if len(pairs) and not (0 <= pairs.min() and pairs.max() < number):
            raise UserError(f'{path}: union_pairs: {pairs.min()} to {pairs.max()}, but there are {number} boxes')
        out['union_pairs'] = pairs
    return out
