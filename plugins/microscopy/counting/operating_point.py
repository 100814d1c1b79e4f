"""Thresholds a class chosen on annotated pictures, with what the detector finds, misses and invents at them.

D detections of a class over all pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError
from detplug.runtime.matching import match_by_score, overlaps
from detplug.runtime.results import Results

from .truth import Objects

IOU = 0.5  # a detection finds an object from here on


@dataclass(frozen=True)
class ClassScores:
    """The detections of one class on annotated pictures.

    Attributes:
        scores: (D,) descending. found: (D,) bool, whether each finds an object of its class (IoU .5, each object once).
        objects: annotated objects that are not ignored.
    """

    name: str
    scores: np.ndarray
    found: np.ndarray
    objects: int

    def at(self, threshold: float) -> tuple[int, int]:
        """(objects found, false alarms) among scores from ``threshold`` on."""
        kept = self.scores >= threshold
        return int(self.found[kept].sum()), int((~self.found[kept]).sum())


@dataclass(frozen=True)
class Wish:
    """What a threshold reaches: a ``sensitivity`` (share of objects found), or at most ``false_alarms`` a picture."""

    sensitivity: float | None = None
    false_alarms: float | None = None


def score_classes(results: Results, truth: Objects) -> tuple[list[ClassScores], int, float]:
    """The detections of every class against the truth; how many pictures there are, and their pixels.

    A detection of which at least half lies on an ignored object and that finds none is left out.

    Raises:
        UserError: a picture that the truth does not have, or no class that both know.
    """
    names = [name for name in results.classes if name in truth.names]
    if not names:
        raise UserError(
            f'{truth.source}: --truth: no class of the detector; it has {", ".join(truth.names)}, the detector '
            f'{", ".join(results.classes)}'
        )
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    objects, pictures, pixels = dict.fromkeys(names, 0), 0, 0.0
    for picture in results.pictures():
        pictures, pixels = pictures + 1, pixels + picture.pixels
        for name in names:
            own = picture.names == name
            boxes, ignored = truth.boxes(picture.name, name)
            objects[name] += int((~ignored).sum())
            parts[name].append(_true_positives(picture.boxes[own], picture.scores[own], boxes, ignored))
    if not pictures:
        raise UserError(f'{results.folder}: no picture could be read; see errors.parquet in it')
    return [_joined(name, parts[name], objects[name]) for name in names], pictures, pixels


def choose(scores: ClassScores, wish: Wish, pictures: int, lowest: float) -> float:
    """The threshold: the highest that reaches a sensitivity, or the lowest that keeps the false alarms.

    Args:
        pictures: over which false alarms are counted.
        lowest: score from which on the run kept boxes.

    Raises:
        UserError: no object of the class, or a sensitivity that no kept box reaches.
    """
    if wish.false_alarms is not None:
        false = scores.scores[~scores.found]
        allowed = int(wish.false_alarms * pictures + 1e-9)
        if len(false) <= allowed:
            return lowest
        return float(np.nextafter(false[allowed], np.inf))  # the next false alarm would be one too many
    if not scores.objects:
        raise UserError(f'--sensitivity: the truth has no {scores.name}, so nothing is known of it; use --false-alarms')
    needed = int(np.ceil(wish.sensitivity * scores.objects - 1e-9))
    hits = scores.scores[scores.found]
    if needed == 0:
        return float(hits[0]) if len(hits) else lowest
    if len(hits) < needed:
        raise UserError(
            f'--sensitivity {wish.sensitivity:g}: {scores.name}: {len(hits)} of {scores.objects} objects are found at '
            f'all; wish for less, or predict with --score-thr below {lowest:g}'
        )
    return float(hits[needed - 1])


def _true_positives(
    boxes: np.ndarray, scores: np.ndarray, objects: np.ndarray, ignored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    iou = np.where(ignored, -1.0, overlaps(boxes, objects))
    found = match_by_score(iou, scores, IOU) >= 0
    regions = objects[ignored]
    inside = (overlaps(boxes, regions, np.ones(len(regions), bool)) >= IOU).any(1)
    kept = found | ~inside
    return scores[kept], found[kept]


def _joined(name: str, parts: Sequence[tuple[np.ndarray, np.ndarray]], objects: int) -> ClassScores:
    scores, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-scores, kind='stable')
    return ClassScores(name, scores[order], found[order].astype(bool), objects)
