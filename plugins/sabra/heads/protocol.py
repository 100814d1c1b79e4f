"""What a relation head is: any nn.Module with two methods; the rest is optional. Ours.

Letters: B images, N boxes, P pairs, C predicates, O object classes.

A head of your own::

    @MODELS.register_module()
    class MyHead(nn.Module):
        def loss(self, detections, truth, feats=()): ...
        def predict(self, detections, feats=(), pairs=None): ...

    model = dict(type='RelationDetector', head=dict(type='MyHead', ...))

It gets boxes and maps alone, so that it runs behind every detector and with given boxes. What it may have besides:

may_be_subject   (O,) bool tensor: classes that are subjects (HOI: person). Without it every class is.
allowed          (O, C) bool tensor, object class and predicate: RelationHook sets it to the ``triplets`` that the data
                 set names. A head without it does not train on a data set with triplets.
sampler          a PairSampler of sampling/: RelationHook logs its ``counts``, what was there and what was drawn, and
                 its ``advice``. Without it there is no log.
predict_all      as :meth:`predict` in fixed shapes, for export: ``predict_all(detections, feats) -> (B, N, N, C)
                 scores, 0 where no pair is, and (B, N, C) or None``. Without it the model is not exported.
predicts_without_object  bool: :meth:`predict`'s third result is a tensor. Without it the head has none.

Children with ``reads_features = True`` (visual.BoxFeatures) say that the head reads ``detections.features``; those with
``reads_input = True`` (head_crops.HeadCrops) that the last of its ``feats`` is to be the network's input.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from detplug.errors import UserError

from ..image_boxes import ImageBoxes
from ..proposals import Truth


class RelationHeadProtocol(Protocol):
    """The two methods every head has."""

    def loss(self, detections: ImageBoxes, truth: Truth, feats: Sequence[Tensor] = ()) -> dict[str, Tensor]:
        """Losses of a batch, by names that begin with ``loss``; all finite without any box, pair or relation.

        Args:
            detections: the boxes of each image.
            truth: objects and relations; which proposals are positive: proposals.label_proposals.
            feats: maps of the detector, (B, channels, height, width) a level; () where boxes are given.
        """

    def predict(
        self, detections: ImageBoxes, feats: Sequence[Tensor] = (), pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores of pairs.

        Args:
            pairs: (P, 3) int64 image, subject, object that are asked about; None: the head says which.

        Returns:
            (P, 3) int64 pairs; (P, C) scores 0..1; (B, N, C) scores of predicates without object, or None.
        """


REQUIRED = ('loss', 'predict')


def check_head(head: nn.Module) -> nn.Module:
    """The head.

    Raises:
        UserError: it lacks a method that every head has.
    """
    missing = [name for name in REQUIRED if not callable(getattr(head, name, None))]
    if missing:
        raise UserError(
            f'model.head.type: {type(head).__name__} has no {" and no ".join(missing)}; '
            'plugins/sabra/heads/protocol.py says what a relation head has'
        )
    return head


def may_be_subject(head: nn.Module, labels: Tensor) -> Tensor:
    """(...) bool of (...) labels: classes that may be a subject."""
    table = getattr(head, 'may_be_subject', None)
    return torch.ones_like(labels, dtype=torch.bool) if table is None else table[labels]


def predicts_without_object(head: nn.Module) -> bool:
    """Whether the head scores predicates without an object."""
    return bool(getattr(head, 'predicts_without_object', False))
