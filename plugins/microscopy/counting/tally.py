"""Counts of all groups from the results, a picture at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError
from detplug.runtime.results import Results
from detplug.runtime.thresholds import EVERY, check_thresholds

from .calibration import Calibration
from .estimates import Group


@dataclass(frozen=True)
class Thresholds:
    """Class -> lowest score that counts; ``origin`` says in words where they come from."""

    of: dict[str, float]
    origin: str


def thresholds(results: Results, calibration: Calibration | None, given: Mapping[str, float]) -> Thresholds:
    """Those that were given, else those of the calibration, else the run's, also for classes without calibration.

    Args:
        given: class -> threshold; the name '' stands for all classes.

    Raises:
        UserError: a class that the detector does not have, or a threshold below which the run kept nothing.
    """
    check_thresholds(given, results.classes)
    calibrated = {} if calibration is None else {name: x.threshold for name, x in calibration.classes.items()}
    default = {name: given.get(EVERY, calibrated.get(name, results.lowest(name))) for name in results.classes}
    chosen = default | {name: value for name, value in given.items() if name}
    low = [name for name, value in chosen.items() if value < results.lowest(name)]
    if low:
        raise UserError(
            f'{results.folder}: {low[0]}: threshold {chosen[low[0]]:g}, but the run kept boxes from '
            f'{results.lowest(low[0]):g} on; predict again with --score-thr {chosen[low[0]]:g} or below'
        )
    origin = 'of --score-thr' if given else 'of the calibration' if calibration is not None else 'of the prediction'
    return Thresholds(chosen, origin)


def tally(
    results: Results, limits: Thresholds, group: Callable[[str], str], calibration: Calibration | None
) -> tuple[list[Group], list[str]]:
    """All groups in order of their names, and the names of the pictures that were read."""
    names = results.classes
    index = {name: i for i, name in enumerate(names)}
    lowest = np.array([limits.of[name] for name in names])
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    pixels: dict[str, float] = {}
    pictures = []
    for picture in results.pictures():
        key = group(picture.name)
        labels = np.array([index[name] for name in picture.names], np.int64)
        kept = picture.scores >= lowest[labels] if len(labels) else np.zeros(0, bool)
        counts = np.bincount(labels[kept], minlength=len(names))
        expected = _expected(picture.scores[kept], labels[kept], names, calibration)
        parts.setdefault(key, []).append((counts, expected))
        pixels[key] = pixels.get(key, 0.0) + picture.pixels
        pictures.append(picture.name)
    failed: dict[str, int] = {}
    for name in results.failed:
        failed[group(name)] = failed.get(group(name), 0) + 1
    empty = np.zeros((0, len(names)))
    groups = [
        Group(
            key,
            names,
            np.array([counts for counts, _ in parts[key]]) if key in parts else empty.astype(int),
            np.array([expected for _, expected in parts[key]]) if key in parts else empty,
            pixels.get(key, 0.0),
            failed.get(key, 0),
        )
        for key in sorted({*parts, *failed})
    ]
    return groups, pictures


def _expected(
    scores: np.ndarray, labels: np.ndarray, names: tuple[str, ...], calibration: Calibration | None
) -> np.ndarray:
    """(K,) sum of the probabilities that the boxes of each class are right."""
    sums = np.full(len(names), np.nan)
    for i, name in enumerate(names):
        entry = calibration.classes.get(name) if calibration is not None else None
        if entry is not None and entry.knots:
            own = scores[labels == i]
            sums[i] = entry.probability(own).sum() if len(own) else 0.0
    return sums
