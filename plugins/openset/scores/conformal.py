"""Class-conditional conformal p-values, shrunk for rare classes: a calibration beside ClassCDF. N boxes, K classes.

Class-conditional (Mondrian) conformal p-values are Vovk's (2005); rank r of n + 1 as a p-value for outliers: Bates et
al. 2023 (arXiv 2104.08279). The shrinkage towards the residuals of all classes, and the tail, are ours.
"""

import torch
from torch import Tensor, nn

POOL_WEIGHT = 20.0  # boxes that the residuals of all classes count as


class ConformalStrangeness(nn.Module):
    """s = 1 - max_c p_c, p_c the p-value of "this box is of class c" among labelled boxes annotated c.

    p_c(a) = (1 + #{j of class c: a_j >= a}) / (1 + n_c) for the nonconformity a of the box to class c, then
    (n_c p_c + 20 p_pool) / (n_c + 20): with 15 labelled boxes alone p_c is never below 1/16, and nothing would ever be
    strange. p_pool is the same of residuals (a - mean_c) / spread_c of all classes. A class without labelled box claims
    nothing.

    Between calibration scores p falls in straight lines from the value at one to that at the next; among scores that
    are kept one by one that is never below the formula. Beyond the largest it goes on falling, as 2 / (n + 1) / (1 + distance in spreads)^2, so that boxes
    stranger than all labelled ones are ordered; below 1 / (n + 1) it is an extrapolation, not a p-value.

    Args:
        classes: K.
        points: calibration scores that are kept of each class: the largest half one by one, the rest evenly.
        gap: least distance of two kept scores, in spreads; closer ones are raised, so that rounding of a score cannot
            move p by a whole rank. p is never the smaller for it.
    """

    def __init__(self, classes: int, points: int = 128, gap: float = 0.005):
        super().__init__()
        self.points, self.gap = points, gap
        self.register_buffer('tables', torch.full((classes + 1, points), -torch.inf))  # descending; the pool is last
        self.register_buffer('ranks', torch.zeros(classes + 1, points + 1))  # of each point, 1 = largest; last: n + 1
        self.register_buffer('counts', torch.zeros(classes + 1))
        self.register_buffer('centre', torch.zeros(classes))
        self.register_buffer('spread', torch.ones(classes + 1))

    @torch.no_grad()
    def fit(self, scores: Tensor, labels: Tensor) -> 'ConformalStrangeness':
        """Learn from (N,) nonconformities of labelled boxes to their own class, and their annotated (N,) classes.

        Raises:
            ValueError: no score, or one that is not finite.
        """
        if not len(scores) or not scores.isfinite().all():
            raise ValueError(f'ConformalStrangeness.fit: {len(scores)} scores; wanted at least one, all finite')
        classes = len(self.centre)
        counts = torch.bincount(labels, minlength=classes).to(scores)
        sums = torch.zeros(classes).to(scores).index_add_(0, labels, scores)
        self.centre.copy_(sums / counts.clamp(min=1))
        square = (scores - self.centre[labels]).square()
        own = torch.zeros(classes).to(scores).index_add_(0, labels, square)
        pooled = square.sum() / (len(scores) - (counts > 0).sum()).clamp(min=1)  # means cost a degree of freedom each
        variance = (own + POOL_WEIGHT * pooled) / (counts + POOL_WEIGHT)
        self.spread[:classes] = variance.sqrt().clamp(min=1e-6)
        residuals = (scores - self.centre[labels]) / self.spread[labels]
        self.spread[classes] = 1.0
        for k in range(classes):
            self._keep(k, scores[labels == k])
        self._keep(classes, residuals)
        return self

    def _keep(self, row: int, scores: Tensor) -> None:
        """Store scores and ranks of one class."""
        count, ordered = len(scores), scores.sort(descending=True).values
        self.counts[row] = count
        if count <= self.points:
            chosen = torch.arange(count, device=scores.device)
        else:
            top = self.points // 2
            rest = torch.linspace(top, count - 1, self.points - top, dtype=torch.float64).round().long()
            chosen = torch.cat([torch.arange(top), rest]).to(scores.device)
        self.tables[row], self.ranks[row] = -torch.inf, float(count + 1)
        steps = self.gap * self.spread[row] * torch.arange(len(chosen), device=scores.device)
        raised = (ordered[chosen] + steps).flip(0).cummax(0).values.flip(0) - steps  # each at least gap above the next
        self.tables[row, : len(chosen)] = raised
        self.ranks[row, : len(chosen)] = (chosen + 1).to(self.ranks)

    def forward(self, scores: Tensor, look: Tensor | None = None) -> Tensor:
        """(N, K) nonconformities to each class -> (N,) strangeness, 0..1; inf: the box does not look like the class.

        ``look`` is not needed; ClassCDF needs it.
        """
        classes = len(self.centre)
        there = scores.isfinite() & (self.counts[:classes] > 0)
        scores = torch.where(there, scores, self.centre)
        own = self._p_values(scores, self.tables[:classes], self.ranks[:classes], self.counts[:classes], self.spread)
        residual = (scores - self.centre) / self.spread[:classes]
        pool = self._p_values(residual, self.tables[classes:], self.ranks[classes:], self.counts[classes:], None)
        counts = self.counts[:classes]
        shrunk = (counts * own + POOL_WEIGHT * pool) / (counts + POOL_WEIGHT)
        return 1 - torch.where(there, shrunk, 0.0).amax(1)

    @staticmethod
    def _p_values(scores: Tensor, tables: Tensor, ranks: Tensor, counts: Tensor, spread: Tensor | None) -> Tensor:
        """(N, K) p-values of (N, K) scores; ``tables`` (K or 1, points), descending."""
        number = scores.shape[1]
        above = (tables >= scores[..., None]).sum(-1)  # (N, K) points at least as large
        last = tables.shape[1]
        expanded = tables.expand(number, -1)[None].expand(len(scores), -1, -1)
        steps = ranks.expand(number, -1)[None].expand(len(scores), -1, -1)
        left = expanded.gather(2, (above - 1).clamp(min=0)[..., None])[..., 0]
        right = expanded.gather(2, above.clamp(max=last - 1)[..., None])[..., 0]
        low = steps.gather(2, (above - 1).clamp(min=0)[..., None])[..., 0]
        high = steps.gather(2, above[..., None])[..., 0]
        inside = right.isfinite() & (above < last)
        step = torch.where(inside, (left - scores) / (left - right).clamp(min=1e-30), 1.0)
        between = low + (high - low) * step.clamp(0, 1)
        largest = expanded[..., 0]
        distance = (scores - largest).clamp(min=0) / (1.0 if spread is None else spread[:number])
        beyond = 2 / (1 + torch.where(largest.isfinite(), distance, 0.0)).square()
        return (torch.where(above > 0, 1 + between, beyond) / (1 + counts)).clamp(max=1)
