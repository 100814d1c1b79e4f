"""Scores of where the features lie among the labelled ones. N boxes, D features, K known classes, C bank slots."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .scorer import SCORERS, Head, Scorer


def ledoit_wolf(centred: Tensor) -> float:
    """Share of the mean variance in the shrunk covariance, 0..1, with the least expected error (Ledoit & Wolf 2004).

    Args:
        centred: (N, D) float64 features less their means.
    """
    count, width = centred.shape
    covariance = centred.T @ centred / count
    eye = torch.eye(width, dtype=covariance.dtype, device=covariance.device)
    distance = (covariance - covariance.diagonal().mean() * eye).square().sum()
    spread = (centred.square().sum(1).square().mean() - covariance.square().sum()) / count
    return float((spread / distance.clamp(min=1e-300)).clamp(0, 1))


def precision_of(features: Tensor, means: Tensor, shrinkage: float | None) -> Tensor:
    """(D, D) float32 inverse of the covariance of the features around their means, shrunk towards its mean variance.

    With fewer boxes than features the covariance alone has no inverse; the pseudo-inverse would call every direction
    that no labelled box took harmless. Features are numbers of float32: along a direction where they spread less than
    D eps(float32) of their root mean square (the usual tolerance for the rank of a matrix, with D > N) the spread is
    their rounding, not a variance, and its inverse is 0 too.

    Args:
        features: (N, D).
        means: (N, D) or (D,) float64, what is subtracted.
        shrinkage: 0..1; None is :func:`ledoit_wolf`'s.
    """
    features = features.double()
    centred = features - means
    covariance = centred.T @ centred / len(centred)
    shrinkage = ledoit_wolf(centred) if shrinkage is None else shrinkage
    mean = covariance.diagonal().mean()
    eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    rounding = len(covariance) * torch.finfo(torch.float32).eps * features.norm() / len(features) ** 0.5
    shrunk = (1 - shrinkage) * covariance + shrinkage * mean * eye
    return torch.linalg.pinv(shrunk, atol=float(rounding) ** 2, hermitian=True).float()


@SCORERS.register_module()
class Mahalanobis(Scorer):
    """Squared distance to the nearest class mean under one covariance shared by all classes (Lee et al. 2018).

    A class without labelled box is no candidate.

    Args:
        shrinkage: 0..1, of the covariance; 0 is the published form. None is the share of :func:`ledoit_wolf`: a level
            of a head has fewer labelled boxes than features, and without it directions that none took count nothing.
    """

    def __init__(self, *args, shrinkage: float | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.shrinkage = shrinkage
        self.register_buffer('means', torch.full((self.classes, self.width), torch.inf))
        self.register_buffer('precision', torch.zeros(self.width, self.width))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        counts = torch.bincount(labels, minlength=self.classes)
        sums = torch.zeros_like(self.means, dtype=torch.float64).index_add_(0, labels, features.double())
        means = sums / counts[:, None].clamp(min=1)
        self.precision.copy_(precision_of(features, means[labels], self.shrinkage))
        self.means.copy_(means.masked_fill(counts[:, None] == 0, torch.inf))

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        there = self.means[:, 0].isfinite()
        offset = features[:, None] - torch.where(there[:, None], self.means, 0.0)
        distance = ((offset @ self.precision) * offset).sum(2)
        return distance.masked_fill(~there, torch.inf).amin(1)


@SCORERS.register_module()
class RMD(Mahalanobis):
    """Relative Mahalanobis (Ren et al. 2021): the distance less that to one Gaussian of all labelled features."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer('mean_of_all', torch.zeros(self.width))
        self.register_buffer('precision_of_all', torch.zeros(self.width, self.width))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        super()._fit(features, logits, labels, head)
        mean = features.double().mean(0)
        self.mean_of_all.copy_(mean)
        self.precision_of_all.copy_(precision_of(features, mean, self.shrinkage))

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        offset = features - self.mean_of_all
        return super().score(features, logits, rows) - ((offset @ self.precision_of_all) * offset).sum(1)


@SCORERS.register_module()
class KNN(Scorer):
    """Distance of z / |z| to the k-th nearest labelled feature (Sun et al. 2022).

    Where there are more labelled boxes than slots, the bank takes as many of each class as the rarest allows, then
    fills up: a frequent class does not push a rare one out.

    Args:
        neighbour: k; with fewer labelled boxes, the farthest.
        slots: C.
    """

    def __init__(self, *args, neighbour: int = 5, slots: int = 2048, **kwargs):
        super().__init__(*args, **kwargs)
        self.neighbour, self.compact = neighbour, None
        self.register_buffer('bank', torch.zeros(slots, self.width))
        self.register_buffer('filled', torch.tensor(0))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        chosen = balanced(labels, len(self.bank))
        self.bank.zero_()
        self.bank[: len(chosen)] = normalize(features[chosen], dim=1)
        self.filled.fill_(len(chosen))
        self.compact = None  # an earlier export's

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        bank, neighbour = self.compact or (self.bank[: int(self.filled)], min(self.neighbour, int(self.filled)))
        squared = 2 - 2 * normalize(features, dim=1) @ bank.T  # of unit vectors
        return squared.clamp(min=0).sqrt().topk(neighbour, dim=1, largest=False).values[:, -1]

    def prepare_export(self) -> None:
        """The filled part of the bank as a constant: a graph cannot ask how many slots are filled."""
        self.compact = self.bank[: int(self.filled)].clone(), min(self.neighbour, int(self.filled))


def balanced(labels: Tensor, limit: int) -> Tensor:
    """Indices of at most ``limit`` boxes, in order: the first of every class, then the second of every class, ..."""
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels)
    starts = (counts.cumsum(0) - counts)[labels[order]]
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(order), device=order.device) - starts
    return turn.argsort(stable=True)[:limit].sort().values


@SCORERS.register_module()
class ViM(Scorer):
    """Virtual logit matching (Wang et al. 2022): alpha |residual| less the log-sum-exp of the logits.

    The residual is the part of z - o outside the main subspace of the labelled features, o = -pinv(W) b. alpha makes
    the mean residual as large as the mean size of the maximal logit: for softmax heads that is the published mean,
    while the logits of sigmoid heads are negative on average and would turn the sign (ours). For sigmoid heads
    log-sum-exp stays, as a smooth maximum.

    Args:
        dimensions: of the main subspace; by default half of D.
    """

    def __init__(self, *args, dimensions: int | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.dimensions = self.width // 2 if dimensions is None else dimensions
        self.register_buffer('origin', torch.zeros(self.width))
        self.register_buffer('outside', torch.zeros(self.width, self.width - self.dimensions))
        self.register_buffer('alpha', torch.tensor(1.0))

    def _fit(self, features: Tensor, logits: Tensor, labels: Tensor, head: Head | None) -> None:
        if head is None:
            raise ValueError('ViM.fit: head: none; wanted the weight and bias of the last layer')
        weight, bias = head.weight.flatten(0, 1).double(), head.bias.flatten().double()
        self.origin.copy_(-torch.linalg.pinv(weight) @ bias)
        centred = features.double() - self.origin.double()
        vectors = torch.linalg.eigh(centred.T @ centred / len(centred)).eigenvectors  # ascending
        self.outside.copy_(vectors[:, : self.width - self.dimensions])
        residual = ((features - self.origin) @ self.outside).norm(dim=1)
        self.alpha.copy_(logits.amax(1).abs().sum() / residual.sum().clamp(min=1e-12))

    def score(self, features: Tensor, logits: Tensor, rows: Tensor | None = None) -> Tensor:
        residual = ((features - self.origin) @ self.outside).norm(dim=1)
        return self.alpha * residual - logits.logsumexp(1)
