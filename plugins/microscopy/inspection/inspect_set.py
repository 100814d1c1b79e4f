"""Inspect a data set: all findings, worst first, with the counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from detplug.data.formats.annotation_set import TRAIN, AnnotationSet
from detplug.errors import UserError
from detplug.images.reading import read_image
from detplug.images.window import Window
from plugins.microscopy.inspection import findings

from .appearance import Profile, figures_of, profile_of, size_of_boxes
from .findings import LOOK_AT, SPOILS, Finding, Key
from .near_duplicates import near_duplicates
from .statistics import statistics_of_all


@dataclass(frozen=True)
class Inspection:
    """What was seen.

    Attributes:
        counts: split -> class -> objects; with the number of images under ``images``.
        sizes: lines on the sizes of the boxes.
        findings: those with an item; what spoils a training first.
        paths: (split, file name) -> image file, of those that are there.
    """

    counts: dict[str, dict[str, int]]
    sizes: list[str]
    findings: list[Finding]
    paths: dict[Key, Path]

    @property
    def spoiled(self) -> bool:
        """Whether something would spoil a training."""
        return any(finding.severity == SPOILS for finding in self.findings)


def inspect_set(
    found: AnnotationSet,
    scale: tuple[int, int],
    window: Window | None = None,
    each: Callable[[], None] = lambda: None,
) -> Inspection:
    """Read every image once and judge the data set.

    Args:
        scale: (width, height) px of the network's input. window: for images of more than 8 bit.
        each: called after every image.
    """
    paths = {
        (split.name, record.file_name): path
        for split in found.splits
        for record in split.records
        if (path := split.path(record)) is not None
    }
    files = list(dict.fromkeys(path.resolve() for path in paths.values()))  # one in two splits is read once
    statistics = dict(zip(files, statistics_of_all(files, window, each), strict=True))
    unreadable = {key: statistics[path.resolve()] for key, path in paths.items()
                  if isinstance(statistics[path.resolve()], str)}  # fmt: skip
    first: dict[Path, Key] = {}
    for key, path in paths.items():
        if key not in unreadable:
            first.setdefault(path.resolve(), key)
    keys, good = list(first.values()), list(first)
    seen = [statistics[path] for path in good]
    of_set = [
        *findings.of_files(found, unreadable),
        findings.split_overlaps(found),
        *findings.of_duplicates(near_duplicates(good, seen, window), keys),
        *findings.of_names(found),
        *findings.of_boxes(found, scale),
        *findings.of_appearance(seen, keys),
        *([Finding('oddities of the annotations', LOOK_AT, 'correct them', found.anomalies)]),
    ]
    shown = sorted((x for x in of_set if x.items), key=lambda x: x.severity != SPOILS)
    return Inspection(_counts(found), findings.size_lines(found, scale), shown, paths)


def training_profile(found: AnnotationSet, window: Window | None = None) -> Profile:
    """What the pictures of the split train look like, of all splits where there is none; those that break are left out.

    Raises:
        UserError: too few pictures.
    """
    splits = [split for split in found.splits if split.name == TRAIN] or found.splits
    rows = []
    for split in splits:
        for record in split.records:
            path = split.path(record)
            try:
                pixels = None if path is None else read_image(path, window)
            except UserError:  # named among the findings
                continue
            if pixels is not None:
                boxes = size_of_boxes([item.box for item in record.objects], 1)
                rows.append(figures_of(pixels.shape[1::-1], partial(_part, pixels)) | boxes)
    return profile_of(rows)


def _part(pixels: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    return pixels[y : y + height, x : x + width]


def _counts(found: AnnotationSet) -> dict[str, dict[str, int]]:
    return {
        split.name: {'images': len(split.records)}
        | {name: count for name, count in sorted(Counter(x.name for r in split.records for x in r.objects).items())}
        for split in found.splits
    }
