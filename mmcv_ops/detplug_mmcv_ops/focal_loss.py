"""Focal loss (arXiv 1708.02002) of sigmoid and softmax scores, and its gradient. No synchronisation with the host.

Letters: N samples, C classes.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from detplug_mmcv_ops.precision import compute_dtype


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the (N, C) loss into ``output``.

    Args:
        input: (N, C) logits.
        target: (N,) int64, class of each sample; C stands for background.
        weight: (C,) weight of the sample's class, or empty; background weighs 1.
    """
    output.copy_(sigmoid_focal_loss(input.to(compute_dtype(input)), target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the (N, C) derivative of each loss by its logit into ``grad_input``."""
    with torch.enable_grad():
        logits = input.detach().to(compute_dtype(input), copy=True).requires_grad_()
        total = sigmoid_focal_loss(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(total, logits)[0])


def sigmoid_focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    """(N, C): -alpha (1-p)^gamma log p for the sample's class, -(1-alpha) p^gamma log(1-p) for the others."""
    log_p, log_q = logsigmoid(logits), logsigmoid(-logits)
    positive = torch.arange(logits.size(1), device=logits.device) == target[:, None]
    log_right, log_wrong = torch.where(positive, log_p, log_q), torch.where(positive, log_q, log_p)
    loss = -torch.where(positive, alpha, 1 - alpha) * (gamma * log_wrong).exp() * log_right
    if weight.numel():
        loss = loss * torch.cat((weight, weight.new_ones(1)))[target][:, None]
    return loss


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the (N,) loss into ``output``: -alpha (1-p)^gamma log p of the sample's class.

    Args:
        input: (N, C) probabilities, after the softmax.
        target: (N,) int64; a sample of a class below 0 has no loss.
        weight: (C,) weight of the sample's class, or empty.
    """
    p, valid, scale = softmax_terms(input, target, weight)
    output.copy_(torch.where(valid, -alpha * scale * (1 - p).pow(gamma) * log(p), 0))


def softmax_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the (N, C) derivative of each loss by the logits into ``grad_input``."""
    p, valid, scale = softmax_terms(input, target, weight)
    by_log_p = alpha * scale * (gamma * (1 - p).pow(gamma - 1) * p * log(p) - (1 - p).pow(gamma))
    by_log_p = torch.where(valid, by_log_p, 0)[:, None]
    own_class = torch.arange(input.size(1), device=input.device) == target[:, None]
    grad_input.copy_(by_log_p * (own_class.to(p.dtype) - input.to(p.dtype)))


def softmax_terms(input: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | float]:
    """(N,) probability of the sample's class, (N,) whether it has one, and the weight of that class."""
    index = target.clamp(min=0)
    p = input.to(compute_dtype(input)).gather(1, index[:, None])[:, 0]
    return p, target >= 0, weight.to(p.dtype)[index] if weight.numel() else 1.0


def log(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()
