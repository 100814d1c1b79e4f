"""The detections of a detector outside, whatever file they are in: what an image has, by its path or id."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from detplug.errors import UserError

from .csv_rows import read_csv
from .image_names import ImageNames
from .json_rows import read_rows
from .npz_folder import NpzFolder
from .table import DetectionTable, ImageDetections, class_labels

FORMS = {'.json': 'json', '.csv': 'csv'}


class DetectionFile(Protocol):
    """Opened by :func:`open_detections`; can be pickled."""

    def of(self, path: str, img_id: Any, classes: Sequence[str]) -> ImageDetections | None:
        """The detections of the picture at ``path``, labels in ``classes``; None where the file does not know it."""

    def check(self, classes: Sequence[str]) -> None:
        """Refuse a file that is known to name other classes; of a folder nothing is known before a picture is read.

        Raises:
            UserError: a name that is none of ``classes``.
        """


def open_detections(
    path: str | Path,
    annotations: str | Path | None = None,
    rename: Mapping[str, str | None] | None = None,
    features: bool = False,
    most: int | None = None,
) -> DetectionFile:
    """Detections of a json or csv file or of a folder of npz files.

    Args:
        annotations: COCO json whose ids a json file has.
        rename: class name of the file -> class of the data set, or None for boxes to be left out.
        features: every image has features of its boxes, which are wanted.
        most: boxes an image, those of the highest scores; None: all. Features of pairs take most * most * U numbers.

    Raises:
        UserError: a file that is not such, or options that it does not have.
    """
    path, rename = Path(path), dict(rename or {})
    kind = 'npz' if path.is_dir() else FORMS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f'{path}: neither a .json, a .csv nor a folder of npz files; write the boxes as one of these')
    if annotations is not None and kind != 'json':
        raise UserError(f'{path}: annotations: only json has ids, this names images and classes; leave it out')
    if features and kind != 'npz':
        raise UserError(f'{path}: features: only a folder of npz files has features of boxes; give one')
    if kind == 'npz':
        return NpzDetections(NpzFolder(path), rename, features, most)
    table, by_id = read_rows(path, annotations) if kind == 'json' else (read_csv(path), False)
    return TableDetections(table, by_id, rename, str(path), most)


class TableDetections:
    """Detections of one file, all in memory (24 bytes each)."""

    def __init__(
        self,
        table: DetectionTable,
        by_id: bool,
        rename: Mapping[str, str | None],
        source: str,
        most: int | None = None,
    ):
        self.table, self.by_id, self.rename, self.source, self.most = table, by_id, rename, source, most
        self.names = ImageNames([] if by_id else table.starts, source)
        self.labels: tuple[tuple[str, ...], np.ndarray] | None = None  # of the classes that were last asked for

    def of(self, path: str, img_id: Any, classes: Sequence[str]) -> ImageDetections | None:
        """As :class:`DetectionFile`."""
        key = str(img_id) if self.by_id else self.names.find(path)
        if key not in self.table.starts:
            return None
        rows = slice(*self.table.starts[key])
        labels = self._labels(classes)[self.table.labels[rows]]
        scores = self.table.scores[rows]
        kept = kept_rows(scores, labels, self.most)
        return ImageDetections(self.table.boxes[rows][kept], labels[kept], scores[kept])

    def check(self, classes: Sequence[str]) -> None:
        """As :class:`DetectionFile`."""
        self._labels(classes)

    def _labels(self, classes: Sequence[str]) -> np.ndarray:
        """Of each class name of the file, as :func:`class_labels`."""
        if self.labels is None or self.labels[0] != tuple(classes):
            self.labels = tuple(classes), class_labels(self.table.names, classes, self.rename, self.source)
        return self.labels[1]


class NpzDetections:
    """Detections of a folder, read image by image."""

    def __init__(self, folder: NpzFolder, rename: Mapping[str, str | None], features: bool, most: int | None = None):
        self.folder, self.rename, self.features, self.most = folder, rename, features, most

    def of(self, path: str, img_id: Any, classes: Sequence[str]) -> ImageDetections | None:
        """As :class:`DetectionFile`."""
        arrays = self.folder.read(path)
        if arrays is None:
            return None
        if self.features and 'features' not in arrays:
            raise UserError(f'{self.folder.path}: {path}: has no features; write them, or leave features=True out')
        names = list(dict.fromkeys(arrays['classes'].tolist()))
        numbers = class_labels(names, classes, self.rename, str(self.folder.path))
        labels = np.array([numbers[names.index(x)] for x in arrays['classes'].tolist()], np.int64)
        kept = kept_rows(arrays['scores'], labels, self.most)
        return ImageDetections(
            arrays['boxes'][kept],
            labels[kept],
            arrays['scores'][kept],
            arrays['features'][kept] if self.features else None,
            dense_unions(arrays, kept) if self.features else None,
        )

    def check(self, classes: Sequence[str]) -> None:
        """As :class:`DetectionFile`: nothing is read."""


def kept_rows(scores: np.ndarray, labels: np.ndarray, most: int | None) -> np.ndarray:
    """(K,) ascending rows with a label, at most the ``most`` of the highest scores."""
    rows = np.flatnonzero(labels >= 0)
    return np.sort(rows[np.argsort(-scores[rows], kind='stable')[:most]])


def dense_unions(arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray | None:
    """(K, K, U) of the boxes ``rows``, 0 where a pair has no feature; None without any."""
    if 'unions' not in arrays:
        return None
    place = np.full(len(arrays['boxes']), -1)
    place[rows] = np.arange(len(rows))
    pairs = place[arrays['union_pairs']]
    there = (pairs >= 0).all(1)
    unions = np.zeros((len(rows), len(rows), arrays['unions'].shape[1]), np.float32)
    unions[tuple(pairs[there].T)] = arrays['unions'][there]
    return unions
