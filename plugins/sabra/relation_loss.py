"""Loss and score of relations: chances that are products, as UPT (Zhang et al., arXiv 2112.01838) has them.

    score = sigmoid(predicate) sigmoid(interactiveness) (s_subject s_object)^lambda

The focal loss sees the product, so that a detector's doubt is not punished in the classifier.
Letters: P pairs, C predicates.
"""

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor
from torch.nn import functional as F

ALPHA, GAMMA = 0.5, 0.2
SMALLEST = 1e-6  # chances are kept this far from 0 and 1: the power of the focal loss has no derivative there


def log_chance(predicate: Tensor, interactive: Tensor, prior: Tensor, power: float) -> Tensor:
    """(P, C) log of the score.

    Args:
        predicate: (P, C) log of the chances of the predicates, given that there is a relation.
        interactive: (P,) logits.
        prior: (P,) product of the detection scores, 0..1.
        power: lambda.
    """
    rest = F.logsigmoid(interactive) + power * prior.clamp(min=SMALLEST).log()
    return predicate + rest[:, None]


def focal_loss(log_p: Tensor, targets: Tensor, alpha: float = ALPHA, gamma: float = GAMMA) -> Tensor:
    """Binary focal loss of chances, element by element; finite everywhere.

    Args:
        log_p: log of the chances, any shape.
        targets: 0 or 1, same shape.
    """
    p = log_p.exp().clamp(SMALLEST, 1 - SMALLEST)
    positive = -alpha * (1 - p) ** gamma * torch.maximum(log_p, log_p.new_tensor(-100.0))
    negative = -(1 - alpha) * p**gamma * torch.log1p(-p)
    return torch.where(targets > 0, positive, negative)


def count_positives(targets: Tensor) -> Tensor:
    """Number of positives over all processes divided by their number, at least 1: what losses are divided by.

    A count of zero must not divide; gradients are averaged over processes, so the count is too.
    """
    count = targets.sum().detach().clone()
    all_reduce(count)
    return (count / get_world_size()).clamp(min=1)
