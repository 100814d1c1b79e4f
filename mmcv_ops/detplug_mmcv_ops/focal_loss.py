"""Focal loss (Lin et al., arXiv 1708.02002) of sigmoid scores.

Letters: N samples, C classes.
"""

import torch
from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the (N, C) loss into ``output``.

    Args:
        input: (N, C) logits.
        target: (N,) int64, class of each sample; C stands for background.
        weight: (C,) weight of the target's class, or empty.
    """
    x = input.to(compute_dtype(input))
    log_p, log_q = torch.nn.functional.logsigmoid(x), torch.nn.functional.logsigmoid(-x)
    positive = torch.arange(x.size(1), device=x.device) == target[:, None]
    loss = torch.where(positive, -alpha * log_q.mul(gamma).exp() * log_p, (alpha - 1) * log_p.mul(gamma).exp() * log_q)
    if weight.numel():
        loss = loss * weight[target][:, None]
    output.copy_(loss)
