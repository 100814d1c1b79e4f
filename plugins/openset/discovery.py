"""How many of the "unknown" pseudo-labels chance alone would make (ours, after Benjamini and Hochberg 1995).

OOD scores are shares of labelled boxes: were every object of a known class, 1 - tau of them would pass a threshold tau.
So of N objects of which P pass, about (1 - tau) N / P of those that pass are false. No hidden label is needed.
"""

import torch
from mmengine.dist import all_reduce
from torch import Tensor


class DiscoveryRate:
    """The false-discovery rate over the last images, of all processes.

    Args:
        tau: threshold of the OOD score.
        momentum: share of the older counts that a step forgets.
    """

    def __init__(self, tau: float, momentum: float = 0.01):
        self.tau, self.momentum = tau, momentum
        self.counts = torch.zeros(2)  # objects, and those that passed

    def update(self, objects: Tensor, passed: Tensor) -> None:
        """() objects of one step in this process, and () those whose OOD score passed."""
        new = torch.stack([objects, passed]).to(self.counts.dtype)
        all_reduce(new)
        self.counts = self.counts.to(new.device) * (1 - self.momentum) + new

    @property
    def rate(self) -> Tensor:
        """() 0..1; 1 where nothing has passed."""
        objects, passed = self.counts
        return ((1 - self.tau) * objects / passed).nan_to_num(1.0).clamp(max=1)
