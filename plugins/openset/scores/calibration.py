"""From a raw score to the share of labelled boxes of the same predicted class that score no higher. K known classes."""

import torch
from torch import Tensor, nn

from .shaping import quantiles

FEWEST = 10  # labelled boxes of which a distribution is made
UNSURE = 0.5  # the share where there is none: known where the detector is sure, never called unknown


class ClassCDF(nn.Module):
    """The distribution of the labelled boxes' scores, one for each predicted class (highest known logit).

    0.99 means: 99 % of the labelled boxes predicted as this class score lower. It holds for every scorer, so
    that thresholds do too. One distribution for all classes would be that of the most frequent one, and every box of a
    rare class would be strange. Classes with fewer than ``FEWEST`` boxes share one; where they have too few together,
    every box scores ``UNSURE``.

    Args:
        classes: K.
        points: of each table of quantiles, with straight lines between.
        tail: shares go up to 1 - ``tail``; the rest orders what is stranger than every labelled box, by the distance
            beyond the largest in units of that from the median to the largest (ours). 0: all of it is 1.
    """

    def __init__(self, classes: int, points: int = 201, tail: float = 0.0):
        super().__init__()
        self.tail = tail
        self.register_buffer('tables', torch.linspace(0, 1, points).repeat(classes, 1))
        self.register_buffer('fitted', torch.zeros(classes, dtype=torch.bool))

    @torch.no_grad()
    def fit(self, scores: Tensor, labels: Tensor) -> 'ClassCDF':
        """Learn from the (N,) scores of the labelled boxes and their (N,) predicted classes 0..K-1.

        Raises:
            ValueError: no score, or one that is not finite.
        """
        if not len(scores) or not scores.isfinite().all():
            raise ValueError(f'ClassCDF.fit: {len(scores)} scores; wanted at least one, all finite')
        classes, points = self.tables.shape
        frequent = torch.bincount(labels, minlength=classes) >= FEWEST
        self.fitted.copy_(frequent)
        for k in range(classes):
            of_class = labels == k if frequent[k] else ~frequent[labels]
            if int(of_class.sum()) >= FEWEST:
                shares = torch.linspace(0, 1, points, dtype=torch.float64).tolist()
                self.tables[k] = quantiles(scores[of_class].float(), shares)
                self.fitted[k] = True
        return self

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """(N,) scores of boxes of predicted classes ``labels`` (N,) -> (N,) shares, 0 below all labelled boxes.

        Above all of them 1, or with a tail from 1 - tail on.
        """
        tables = self.tables[labels]
        last = tables.shape[1] - 1
        high = (scores[:, None] >= tables).sum(1, keepdim=True).clamp(1, last)  # searchsorted has no ONNX form
        left, right = (tables.gather(1, place)[:, 0] for place in (high - 1, high))
        step = torch.where(right > left, (scores - left) / (right - left).clamp(min=1e-30), (scores >= left).float())
        share = (high[:, 0] - 1 + step.clamp(0, 1)) / last
        if self.tail:
            largest, median = tables[:, last], tables[:, last // 2]
            beyond = (scores - largest).clamp(min=0) / (largest - median).clamp(min=1e-6)
            share = (1 - self.tail) * share + self.tail * beyond / (1 + beyond)
        return torch.where(self.fitted[labels], share, UNSURE)
