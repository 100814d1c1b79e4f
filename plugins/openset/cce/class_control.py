"""Class control of CCE: how often each class is embedded. K classes.

The paper names class control; effective numbers (Cui et al. 2019) and the exponent are ours.
"""

import numpy as np


def effective_number(counts: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """(K,) (1 - beta^n) / (1 - beta): n objects of a class, of which ever more repeat what was seen; 0 for none."""
    return (1 - beta ** np.asarray(counts, np.float64)) / (1 - beta)


def draw_probabilities(
    counts: np.ndarray, available: np.ndarray, eta: float = 1.0, beta: float = 0.999
) -> np.ndarray | None:
    """(K,) probability that a class is embedded, proportional to (1 / effective number)^eta.

    Args:
        counts: (K,) objects of each class that training sees, >= 0; a class below one object counts as one.
        available: (K,) bool, classes of which there is something to embed; the others get 0.
        eta: 0 draws all classes alike, 1 undoes the imbalance.

    Returns:
        None where nothing is available.
    """
    available = np.asarray(available, bool)
    if not available.any():
        return None
    weights = np.where(available, effective_number(np.maximum(counts, 1), beta) ** -eta, 0)
    return weights / weights.sum()
