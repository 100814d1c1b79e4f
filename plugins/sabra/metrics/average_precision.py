"""Average precision of detections in the order of their scores, by the two interpolations that relation sets use.

Letters: T detections, C classes.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .matched import Matched

THRESHOLDS = np.arange(11) * 0.1  # the products, so that 3 of 10 found (.3) stay below the fourth (.30000000000000004)


def eleven_point(right: np.ndarray, objects: int) -> float:
    """Mean over the recalls i * 0.1 of the best precision at that recall or a higher one, as HICO-DET's script has it.

    Args:
        right: (T,) bool, best score first.
        objects: number of relations of the truth, at least 1.
    """
    recall, best = _curve(right, objects)
    return float(np.append(best, 0.0)[np.searchsorted(recall, THRESHOLDS)].mean())


def all_point(right: np.ndarray, objects: int) -> float:
    """Area under the curve of the best precision at each recall or a higher one (VOC 2010), as V-COCO's script has it.

    Every true positive moves the recall by 1 / ``objects``, the last one included; see :func:`eleven_point`.
    """
    return float(_curve(right, objects)[1][right].sum() / objects)


def class_ap(ap: Callable[[np.ndarray, int], float], parts: Sequence[Matched], rule: int = 0) -> np.ndarray:
    """(C,) average precision of each class; NaN for a class without objects, 0 for one without detections.

    Class after class, so that never more than the detections of one class are copied.

    Args:
        ap: :func:`eleven_point` or :func:`all_point`.
        parts: blocks of images, at least one; of equal scores the first detection comes first.
        rule: by which a detection is right.
    """
    objects = sum(part.objects for part in parts)
    return np.array([ap(_ranked(parts, kind, rule), n) if n else np.nan for kind, n in enumerate(objects.tolist())])


def mean_figures(named: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean of each array over the classes that are not NaN; an array without any is left out."""
    return {name: float(np.nanmean(values)) for name, values in named.items() if not np.isnan(values).all()}


def _ranked(parts: Sequence[Matched], kind: int, rule: int) -> np.ndarray:
    """(T,) bool: the detections of a class, best score first."""
    score, right = (
        np.concatenate(columns) for columns in zip(*(part.ranking(kind, rule) for part in parts), strict=True)
    )
    return right[np.argsort(-score, kind='stable')]


def _curve(right: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """(T,) recall up to each detection, and (T,) the best precision from there on."""
    true_positives = right.cumsum()
    precision = true_positives / np.arange(1, len(right) + 1)
    return true_positives / objects, np.maximum.accumulate(precision[::-1])[::-1]
