"""Anchors for the boxes of a data set."""

import numpy as np
from scipy.cluster.vq import kmeans2


def cluster_sizes(sizes: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """(count, 2) widths and heights that stand for those of boxes, by ascending area.

    k-means of the logarithms, because a box fits an anchor by the ratio of their sides (YOLOv5's autoanchor clusters
    the sides themselves; the logarithm is ours). Where there are fewer sizes than anchors the rest repeats them.

    Args:
        sizes: (M, 2) width and height px, at least one box, all above 0.
    """
    logs = np.log(np.maximum(sizes, 0.1).astype(np.float64))
    distinct = np.unique(logs, axis=0)
    if len(distinct) <= count:
        centres = np.resize(distinct, (count, 2))
    else:
        start = distinct[np.linspace(0, len(distinct) - 1, count).round().astype(int)]
        centres, _ = kmeans2(logs, start, iter=50, minit='matrix', missing='warn')
    anchors = np.exp(centres)
    return anchors[np.argsort(anchors.prod(1), kind='stable')]
