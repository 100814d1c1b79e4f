"""A detector's classifier in the order of another list of classes: rows are moved by name.

HICO-DET and COCO have the same 80 classes in another order ('person' is 49 and 0) and spell them differently
('baseball_bat', 'baseball bat'). Weights fit by their shape; a classifier that is taken as it stands is a permuted one.

Letters: K classes, A anchors.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from detplug.errors import UserError

# the last layers of mmdet's heads, with rows anchor by anchor and class by class
CLASSIFIER = r'((fc|retina|conv|rtm|atss|gfl|vfnet|multi_level_conv)_cls|cls_branches)(\.\d+)*\.(weight|bias)$'
BOXES = r'fc_reg\.(weight|bias)$'  # four rows a class, unless the head regresses all classes alike


def plain(name: str) -> str:
    """A class name without case, underscores and double spaces."""
    return ' '.join(name.lower().replace('_', ' ').split())


def class_rows(names: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """For each wanted class its position among those that were found; None where they are not the same classes."""
    position = {plain(name): place for place, name in enumerate(names)}
    if len(position) != len(names) or sorted(position) != sorted(map(plain, wanted)):
        return None
    return [position[plain(name)] for name in wanted]


def reorder_classifier(state: dict[str, Tensor], rows: Sequence[int], source: str) -> dict[str, Tensor]:
    """A state dict whose classifiers have their classes in the order of ``rows``; other tensors are the same objects.

    Args:
        state: of a detector; its names may have a prefix.
        rows: of :func:`class_rows`.
        source: the file, for the message.

    Raises:
        UserError: no classifier that is known is in it.
    """
    order, moved = torch.tensor(rows), {}
    for name, x in state.items():
        if re.search(CLASSIFIER, name) and len(x) == len(order) + 1:  # the background comes last
            moved[name] = torch.cat([x[order], x[len(order) :]])
        elif (re.search(CLASSIFIER, name) or re.search(BOXES, name)) and len(x) % len(order) == 0:
            across = 1 if re.search(CLASSIFIER, name) else 0
            groups = x.unflatten(0, (-1, len(order)) if across else (len(order), -1))
            moved[name] = groups.index_select(across, order).flatten(0, 1)
    if not any(re.search(CLASSIFIER, name) for name in moved):
        raise UserError(
            f'{source}: classes: those of the config in another order, and no classifier in it can be put in that '
            'order; list the classes of the config in the order of the checkpoint'
        )
    return {**state, **moved}
