"""Ranks by EVBMF, the default of Tucker tutorials: a rival of plugins/tensor_train's selections.

Empirical variational Bayesian matrix factorisation has a closed form (Nakajima et al., JMLR 14, 2013, theorem 2 and the
estimate of the noise of section 4): singular values below a threshold are noise. It gives a rank to each unfolding of a
kernel and knows no budget; here one factor scales all ranks to it (ours).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from torch import nn

from plugins.tensor_train.decomposition import spectrum
from plugins.tensor_train.ranks.selector import CalibrationData, Layers, Ranks
from plugins.tensor_train.ranks.selectors import register_selector


def evbmf_rank(values: np.ndarray, columns: int) -> int:
    """How many singular values of an L x M matrix are signal.

    Args:
        values: (L,) singular values, descending; columns: M, at least L.
    """
    squares, rows = np.square(values), len(values)
    if not squares.sum():
        return 0
    alpha = rows / columns
    tau = 2.5129 * math.sqrt(alpha)
    bound = (1 + tau) * (1 + alpha / tau)
    most = min(math.ceil(rows / (1 + alpha)) - 1, rows - 1)
    high = squares.sum() / (rows * columns)
    low = max(squares[most] / (columns * bound), squares[most:].mean() / columns)

    def free_energy(noise: float) -> float:
        x = squares / (columns * noise)
        signal, rest = x[x > bound], x[x <= bound].clip(1e-300)
        centred = signal - (1 + alpha)
        taus = (centred + np.sqrt(np.square(centred) - 4 * alpha)) / 2
        energy = (rest - np.log(rest)).sum() + (signal - taus).sum() + np.log((taus + 1) / signal).sum()
        return energy + alpha * np.log(taus / alpha + 1).sum()

    noise = minimize_scalar(free_energy, bounds=(low, high), method='bounded').x if low < high else high
    return int((squares > columns * noise * bound).sum())


@register_selector('evbmf')
class EVBMFRanks:
    """The level scales every layer's share; at level 1 all are full."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Sequence[float]]:
        """Of each layer and bond the share of its full rank that EVBMF keeps."""
        modules = dict(model.named_modules())
        found = {}
        for name, layer in layers.items():
            out, into, (height, width) = layer.shape
            columns = (out,) if height * width == 1 else (height * width * out, into * height * width)
            pairs = zip(spectrum(modules[name].weight.detach()), columns, strict=True)
            ranks = [evbmf_rank(x.numpy(), max(count, len(x))) for x, count in pairs]
            found[name] = [max(rank, 1) / full for rank, full in zip(ranks, layer.max_ranks, strict=True)]
        return found

    def ranks_at(self, scores: Mapping[str, Sequence[float]], layers: Layers, level: float) -> Ranks:
        least = min(min(own) for own in scores.values())
        return {
            name: tuple(
                min(max(round(level / least * share * full), 1), full)
                for share, full in zip(scores[name], layer.max_ranks, strict=True)
            )
            for name, layer in layers.items()
        }
