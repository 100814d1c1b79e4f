"""Class-conditional conformal p-values, shrunk for rare classes: a calibration beside ClassCDF. N boxes, K classes.

Class-conditional (Mondrian) conformal p-values are Vovk's (2005); rank r of n + 1 as a p-value for outliers: Bates et
al. 2023 (arXiv 2104.08279). The shrinkage towards the residuals of all classes, the tail and the grid are ours.
"""

import torch
from torch import Tensor, nn

POOL_WEIGHT = 20.0  # boxes that the residuals of all classes count as
FAR = 1e30  # a nonconformity from here on: the box does not look like the class


class ConformalStrangeness(nn.Module):
    """s = 1 - max_c p_c, p_c the p-value of "this box is of class c" among labelled boxes annotated c.

    p_c(a) = (1 + #{j of class c: a_j >= a}) / (1 + n_c) for the nonconformity a of the box to class c, then
    (n_c p_c + 20 p_pool) / (n_c + 20): with 15 labelled boxes alone p_c is never below 1/16, and nothing would ever be
    strange. p_pool is the same of residuals (a - mean_c) / spread_c of all classes. A class without labelled box claims
    nothing.

    p is kept on a grid of each class, with straight lines between: a lookup costs the same for any number of labelled
    boxes, and the rounding of a score cannot move p by a whole rank. Beyond the largest score p goes on falling, as
    (1 + distance in spreads)^-2, so that boxes stranger than all labelled ones are ordered; there it is an
    extrapolation, not a p-value.

    Args:
        classes: K.
        points: of each grid.
    """

    def __init__(self, classes: int, points: int = 1024):
        super().__init__()
        self.register_buffer('grids', torch.zeros(classes, points))
        self.register_buffer('low', torch.zeros(classes))
        self.register_buffer('step', torch.ones(classes))
        self.register_buffer('spread', torch.ones(classes))

    @torch.no_grad()
    def fit(self, scores: Tensor, labels: Tensor) -> 'ConformalStrangeness':
        """Learn from (N,) nonconformities of labelled boxes to their own class, and their annotated (N,) classes.

        Raises:
            ValueError: no score, or one that is not finite.
        """
        if not len(scores) or not scores.isfinite().all():
            raise ValueError(f'ConformalStrangeness.fit: {len(scores)} scores; wanted at least one, all finite')
        scores, (classes, points) = scores.double(), self.grids.shape
        counts = torch.bincount(labels, minlength=classes)
        zeros = torch.zeros(classes).to(scores)
        centre = zeros.index_add(0, labels, scores) / counts.clamp(min=1)
        square = zeros.index_add(0, labels, (scores - centre[labels]).square())
        freedom = (len(scores) - (counts > 0).sum()).clamp(min=1)  # each mean costs a degree
        variance = (square + POOL_WEIGHT * square.sum() / freedom) / (counts + POOL_WEIGHT)
        spread = variance.sqrt().clamp(min=1e-6)
        residuals = (scores - centre[labels]) / spread[labels]
        self.grids.zero_()
        self.spread.copy_(spread)
        for k in counts.nonzero()[:, 0].tolist():
            of_class = scores[labels == k]
            ends = torch.stack([residuals.min(), residuals.max()]) * spread[k] + centre[k]
            low, high = torch.minimum(of_class.min(), ends[0]), torch.maximum(of_class.max(), ends[1])
            high = torch.maximum(high, low + 1e-6)
            query = low + (high - low) * torch.linspace(0, 1, points).to(scores)
            pool = p_values((query - centre[k]) / spread[k], residuals, 1.0)
            shrunk = len(of_class) * p_values(query, of_class, float(spread[k])) + POOL_WEIGHT * pool
            self.grids[k] = shrunk / (len(of_class) + POOL_WEIGHT)
            self.low[k], self.step[k] = low, (high - low) / (points - 1)
        return self

    def forward(self, scores: Tensor, predicted: Tensor | None = None) -> Tensor:
        """(N, K) nonconformities to each class -> (N,) strangeness, 0..1; inf: the box does not look like the class.

        ``predicted`` is not needed; ClassCDF needs it.
        """
        classes, points = self.grids.shape
        there = scores < FAR
        place = (torch.where(there, scores, self.low) - self.low) / self.step
        inside = place.clamp(0, points - 1)
        left = inside.floor().clamp(max=points - 2)
        index = left.long() + torch.arange(classes, device=scores.device) * points
        flat = self.grids.flatten()
        start, end = flat[index], flat[index + 1]
        beyond = (place - (points - 1)).clamp(min=0) * self.step / self.spread
        p = (start + (end - start) * (inside - left)) / (1 + beyond).square()
        return 1 - torch.where(there, p, 0.0).amax(1)


def p_values(query: Tensor, scores: Tensor, spread: float) -> Tensor:
    """(Q,) conformal p-values of (Q,) nonconformities among (n,) labelled ones, with straight lines between the latter.

    At a labelled score it is the value just above it, on the line to the next it is at least the formula's; beyond the
    largest it falls as 2 / (n + 1) / (1 + distance / spread)^2.
    """
    ordered, count = scores.sort(descending=True).values, len(scores)
    above = torch.searchsorted(-ordered, -query, right=True)  # labelled scores at least as large
    left, right = ordered[(above - 1).clamp(min=0)], ordered[above.clamp(max=count - 1)]
    step = ((left - query) / (left - right).clamp(min=1e-30)).clamp(0, 1)
    rank = torch.where(above < count, above + step, float(count))
    beyond = 2 / (1 + (query - ordered[0]).clamp(min=0) / spread).square()
    return (torch.where(above > 0, 1 + rank, beyond) / (1 + count)).clamp(max=1)
