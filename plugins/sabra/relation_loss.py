"""Loss and score of relations: chances that are products, as UPT (Zhang et al., arXiv 2112.01838) has them.

    score = sigmoid(predicate) sigmoid(interactiveness) (s_subject s_object)^lambda

The focal loss sees the product, so that a detector's doubt is not punished in the classifier.
Letters: P pairs, C predicates.
"""

from collections.abc import Mapping

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor
from torch.nn import functional as F

from detplug.errors import UserError

ALPHA, GAMMA = 0.5, 0.2  # UPT's
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


def loss_divisor(positives: Tensor, negatives: Tensor, ratio: float) -> Tensor:
    """What a sum of losses is divided by: its positives, but at least its negatives / ``ratio``, and at least 1.

    UPT divides by the positives alone, so that a batch without any is divided by 1 and its negatives weigh as much as
    hundreds of positives; the lower limit is ours. Both counts are means over the processes, as gradients are.

    Args:
        positives, negatives: numbers (0-dim) of this process.
        ratio: negatives that count like one positive.
    """
    counts = torch.stack([positives.detach().float(), negatives.detach().float()])
    all_reduce(counts)
    counts = counts / get_world_size()
    return torch.maximum(counts[0], counts[1] / ratio).clamp(min=1)


def exclusive_chances(logits: Tensor, allowed: Tensor) -> Tensor:
    """(P, C) log of a softmax over the allowed predicates, -inf for the others; over all where none is allowed."""
    allowed = allowed | ~allowed.any(1, keepdim=True)
    return logits.masked_fill(~allowed, -torch.inf).log_softmax(1)


def check_focal(focal: Mapping[str, float]) -> dict[str, float]:
    """``alpha`` (0..1) and ``gamma`` (>= 0) of a config, UPT's where they are not given.

    Raises:
        UserError: another name, or a number out of range.
    """
    values = dict(alpha=ALPHA, gamma=GAMMA) | dict(focal)
    if len(values) > 2 or not (0 <= values['alpha'] <= 1 and values['gamma'] >= 0):
        raise UserError(f'config: RelationHead: focal is {dict(focal)}; give alpha from 0 to 1 and gamma from 0')
    return values
