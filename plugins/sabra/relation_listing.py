"""The relations of an image as a list, from scores of pairs.

Letters: P pairs, N boxes, C predicates, T relations.
"""

import torch
from torch import Tensor

from .relations import NO_OBJECT


def list_relations(
    pairs: Tensor, scores: Tensor, intransitive: Tensor | None, most: int | None
) -> tuple[Tensor, Tensor]:
    """The relations of one image that have a score above 0, highest first.

    Args:
        pairs: (P, 2) subject, object; scores: (P, C); intransitive: (N, C) scores without object, or None.

    Returns:
        (T, 3) triplets and (T,) scores.
    """
    pair, predicate = (scores > 0).nonzero(as_tuple=True)
    triplets, chances = torch.cat([pairs[pair], predicate[:, None]], 1), scores[pair, predicate]
    if intransitive is not None:
        subject, predicate = (intransitive > 0).nonzero(as_tuple=True)
        alone = torch.stack([subject, torch.full_like(subject, NO_OBJECT), predicate], 1)
        triplets, chances = torch.cat([triplets, alone]), torch.cat([chances, intransitive[subject, predicate]])
    order = chances.argsort(dim=0, descending=True, stable=True)[:most]
    return triplets[order], chances[order]
