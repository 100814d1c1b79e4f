"""Average precision of detections in the order of their scores, by the two interpolations that relation sets use.

Letters: T detections, C classes.
"""

from collections.abc import Callable

import numpy as np

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


def class_ap(
    ap: Callable[[np.ndarray, int], float],
    classes: np.ndarray,
    scores: np.ndarray,
    right: np.ndarray,
    objects: np.ndarray,
) -> np.ndarray:
    """(C,) average precision of each class; NaN for a class without objects, 0 for one without detections.

    Args:
        ap: :func:`eleven_point` or :func:`all_point`.
        classes: (T,) int, 0 .. C - 1.
        scores: (T,); of equal scores the first detection comes first.
        right: (T,) bool.
        objects: (C,) int, relations of the truth.
    """
    order = np.lexsort((-scores, classes))
    ends = np.searchsorted(classes[order], np.arange(len(objects) + 1))
    parts = np.split(right[order], ends[1:-1])
    return np.array([ap(part, n) if n else np.nan for part, n in zip(parts, objects, strict=True)])


def mean_figures(named: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean of each array over the classes that are not NaN; an array without any is left out."""
    return {name: float(np.nanmean(values)) for name, values in named.items() if not np.isnan(values).all()}


def _curve(right: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """(T,) recall up to each detection, and (T,) the best precision from there on."""
    found = right.cumsum()
    precision = found / np.arange(1, len(right) + 1)
    return found / objects, np.maximum.accumulate(precision[::-1])[::-1]
