"""From a raw score to the share of labelled boxes that score at most as high."""

import torch
from torch import Tensor, nn

from .shaping import quantiles


class EmpiricalCDF(nn.Module):
    """The distribution of the labelled boxes' scores, as a table of quantiles with straight lines between.

    0.99 means: 99 % of the labelled boxes look less strange. It holds for every scorer, so that thresholds do too.

    Args:
        points: of the table.
    """

    def __init__(self, points: int = 201):
        super().__init__()
        self.register_buffer('table', torch.linspace(0, 1, points))

    @torch.no_grad()
    def fit(self, scores: Tensor) -> 'EmpiricalCDF':
        """Learn from the (N,) scores of the labelled boxes, N >= 1.

        Raises:
            ValueError: no score, or one that is not finite.
        """
        if not len(scores) or not scores.isfinite().all():
            raise ValueError(f'EmpiricalCDF.fit: {len(scores)} scores; wanted at least one, all finite')
        self.table.copy_(quantiles(scores.float(), torch.linspace(0, 1, len(self.table), dtype=torch.float64).tolist()))
        return self

    def forward(self, scores: Tensor) -> Tensor:
        """(N,) scores -> (N,) shares, 0 below all labelled boxes and 1 above."""
        last = len(self.table) - 1
        high = (scores[:, None] >= self.table).sum(1).clamp(1, last)  # searchsorted, which has no ONNX form
        left, right = self.table[high - 1], self.table[high]
        step = torch.where(right > left, (scores - left) / (right - left).clamp(min=1e-30), (scores >= left).float())
        return (high - 1 + step.clamp(0, 1)) / last
