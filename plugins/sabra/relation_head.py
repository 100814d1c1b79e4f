"""Relation head: pairs of boxes -> predicates, from where they lie, what they are and, in pixel mode, how they look.

SABRA's parts (Jin et al., arXiv 2012.12510) are balanced negative sampling, MH-GAT and the spatial mask decoder; the
classifier around them, interactiveness and the scores (after UPT, arXiv 2112.01838) are ours.

Letters: B images, N boxes, P pairs, O object classes, C predicates, D dims.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from .image_boxes import ImageBoxes
from .mask_decoder import SpatialMaskDecoder, mask_loss, pair_masks
from .mh_gat import MHGAT
from .pair_vectors import PAIR_WIDTH, pair_vectors, scaled
from .proposals import INVALID, ProposalLabels, Truth, label_proposals, predicate_targets, solo_targets
from .relation_loss import count_positives, focal_loss, log_chance
from .visual import build_visual

MASK_PAIRS = 128  # of a step, whose masks are drawn; they cost more than anything else of a pair


class PairLogits(NamedTuple):
    """Of P pairs: ``predicates`` (P, C) log chances, ``interactive`` (P,) logits, ``latent`` (P, D) of the decoder."""

    predicates: Tensor
    interactive: Tensor
    latent: Tensor


@MODELS.register_module()
class RelationHead(nn.Module):
    """Classifier of relation proposals with its losses.

    Args:
        predicates: C.
        object_kinds: kind of each object class, see MHGAT.
        sampler: config of a pair sampler, see sampling/.
        graph: arguments of MHGAT; ``layers=0`` is without the graph.
        mask_weight: of the spatial mask decoder's loss; 0 is without the decoder.
        visual: config of PairPooling or of another ``type``, see visual.py; None where only boxes are given.
        dims: D.
        subject_labels: object classes that may be a subject (person); by default all.
        solo: predicates may hold without an object (V-COCO).
        exclusive: predicates exclude one another (VRD names one of on, above, ...): softmax in place of sigmoids.
        same_class, iou_thr: when a box is matched, see proposals.py.
        power: lambda of the detection scores at test; in training it is 1.
        interactive_weight: of the loss of interactiveness alone.
        class_width: of the class embeddings.
        dropout: share of the classifier's inputs.
    """

    def __init__(
        self,
        predicates: int,
        object_kinds: Sequence[int],
        sampler: dict,
        graph: dict | None = None,
        mask_weight: float = 1.0,
        visual: dict | None = None,
        dims: int = 256,
        subject_labels: Sequence[int] | None = None,
        solo: bool = False,
        exclusive: bool = False,
        same_class: bool = True,
        iou_thr: float = 0.5,
        power: float = 1.0,
        interactive_weight: float = 1.0,
        class_width: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.num_predicates, self.power = predicates, power
        self.exclusive = exclusive
        self.same_class, self.iou_thr = same_class, iou_thr
        self.mask_weight, self.interactive_weight = mask_weight, interactive_weight
        self.sampler = TASK_UTILS.build(sampler)
        self.graph = MHGAT(object_kinds, **(graph or {}))
        self.decoder = SpatialMaskDecoder(2 * self.graph.dims + PAIR_WIDTH, dims, masks=mask_weight > 0)
        self.pooling = build_visual(visual)
        self.subject_class, self.object_class = (nn.Embedding(len(object_kinds), class_width) for _ in range(2))
        width = dims + 2 * class_width + (self.pooling.width if self.pooling else 0)
        self.classify = nn.Sequential(
            nn.Linear(width, 2 * dims), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * dims, dims), nn.ReLU(),
            nn.Dropout(dropout),
        )  # fmt: skip
        self.to_predicates, self.to_interactive = nn.Linear(dims, predicates), nn.Linear(dims, 1)
        self.to_solo = nn.Linear(self.graph.dims, predicates) if solo else None
        may = torch.ones(len(object_kinds), dtype=torch.bool)
        if subject_labels is not None:
            may = torch.zeros_like(may)
            may[list(subject_labels)] = True
        self.register_buffer('may_be_subject', may, persistent=False)
        self.register_buffer('allowed', torch.ones(len(object_kinds), predicates, dtype=torch.bool))
        rare = 0.02  # chance of a predicate before anything is learned
        nn.init.constant_(self.to_predicates.bias, torch.logit(torch.tensor(rare)).item())

    # -- what both sides need ------------------------------------------------------------------------------------------

    def forward(self, found: ImageBoxes, nodes: Tensor, pairs: Tensor, feats: Sequence[Tensor] = ()) -> PairLogits:
        """Classify pairs.

        Args:
            nodes: (B, N, D') of the graph.
            pairs: (P, 3) int64: image, subject, object.
            feats: maps of the detector, in pixel mode.
        """
        image, subject, object_ = pairs.unbind(1)
        first, second = found.boxes[image, subject], found.boxes[image, object_]
        between = scaled(pair_vectors(first, second, found.sizes[image]))
        latent = self.decoder(torch.cat([nodes[image, subject], nodes[image, object_], between], 1))
        inputs = [
            latent,
            self.subject_class(found.labels[image, subject]),
            self.object_class(found.labels[image, object_]),
        ]
        if self.pooling is not None:
            inputs.append(self.pooling(feats, found, pairs))
        x = self.classify(torch.cat(inputs, 1))
        predicates = self.to_predicates(x)
        chances = predicates.log_softmax(1) if self.exclusive else nn.functional.logsigmoid(predicates)
        return PairLogits(chances, self.to_interactive(x)[:, 0], latent)

    @property
    def predicts_without_object(self) -> bool:
        """As heads/protocol.py says."""
        return self.to_solo is not None

    def subjects(self, found: ImageBoxes) -> Tensor:
        """(B, N) bool: boxes that may be a subject."""
        return found.valid & self.may_be_subject[found.labels]

    def log_scores(self, found: ImageBoxes, pairs: Tensor, logits: PairLogits, power: float) -> Tensor:
        """(P, C) log of the relation's score; -inf where the object class does not go with the predicate."""
        image, subject, object_ = pairs.unbind(1)
        prior = found.scores[image, subject] * found.scores[image, object_]
        scores = log_chance(logits.predicates, logits.interactive, prior, power)
        return scores.masked_fill(~self.allowed[found.labels[image, object_]], -torch.inf)

    # -- training ------------------------------------------------------------------------------------------------------

    def loss(self, found: ImageBoxes, truth: Truth, feats: Sequence[Tensor] = ()) -> dict[str, Tensor]:
        """Losses of a batch; all finite without any pair or relation."""
        labels = label_proposals(found, truth, self.iou_thr, self.same_class, self.subjects(found))
        nodes = self.graph(found)
        pairs = self.sample(found, truth, labels, nodes, feats)
        logits = self(found, nodes, pairs, feats)
        targets = predicate_targets(labels, truth, pairs, self.num_predicates)
        by_pair = self.pair_losses(found, pairs, logits, targets)
        positive = targets.amax(1)
        total = count_positives(targets)
        losses = dict(loss_predicate=by_pair.sum() / total)
        losses['loss_interactive'] = self.interactive_losses(logits, positive).sum() / count_positives(positive)
        if self.mask_weight:
            some = torch.randperm(len(pairs), device=pairs.device)[:MASK_PAIRS]
            boxes = [found.boxes[pairs[some, 0], pairs[some, k]] for k in (1, 2)]
            masks = self.decoder.masks(logits.latent[some])
            losses['loss_mask'] = self.mask_weight * mask_loss(masks, pair_masks(*boxes))
        if self.to_solo is not None:
            losses['loss_solo'] = self.solo_loss(found, truth, labels, nodes)
        return losses

    def sample(
        self, found: ImageBoxes, truth: Truth, labels: ProposalLabels, nodes: Tensor, feats: Sequence[Tensor]
    ) -> Tensor:
        """(P, 3) image, subject, object of the pairs to learn from."""
        count, most = found.valid.shape
        kinds = labels.kinds.view(count, most * most)
        losses = None
        if self.sampler.needs_losses:
            with torch.no_grad():
                every = (labels.kinds != INVALID).nonzero()
                logits = self(found, nodes, every, feats)
                targets = predicate_targets(labels, truth, every, self.num_predicates)
                losses = nodes.new_zeros(kinds.shape)
                hardness = self.pair_losses(found, every, logits, targets)
                hardness = hardness + self.interactive_losses(logits, targets.amax(1))
                losses.view(labels.kinds.shape)[tuple(every.T)] = hardness
        image, place = self.sampler(kinds, losses).unbind(1)
        return torch.stack([image, place // most, place % most], 1)

    def pair_losses(self, found: ImageBoxes, pairs: Tensor, logits: PairLogits, targets: Tensor) -> Tensor:
        """(P,) loss of each pair, over the predicates that its object class allows.

        Predicates that exclude one another: cross entropy of the related pairs; whether a pair is related is left to
        interactiveness. Others: focal loss of the score.
        """
        if self.exclusive:
            share = targets / targets.sum(1, keepdim=True).clamp(min=1)
            return -(share * logits.predicates).sum(1)
        log_p = self.log_scores(found, pairs, logits, 1.0)
        return torch.where(log_p.isinf(), 0, focal_loss(log_p, targets)).sum(1)

    def interactive_losses(self, logits: PairLogits, positive: Tensor) -> Tensor:
        """(P,) focal loss of interactiveness alone; ``positive`` (P,) 0 or 1."""
        return self.interactive_weight * focal_loss(nn.functional.logsigmoid(logits.interactive), positive)

    def solo_loss(self, found: ImageBoxes, truth: Truth, labels: ProposalLabels, nodes: Tensor) -> Tensor:
        """Loss of predicates without object, over the boxes that may be a subject and that somebody judged."""
        targets = solo_targets(labels, truth, self.num_predicates)
        counts = self.subjects(found) & labels.judged
        log_p = nn.functional.logsigmoid(self.to_solo(nodes)) + found.scores.clamp(min=1e-6).log()[..., None]
        return focal_loss(log_p, targets)[counts].sum() / count_positives(targets[counts])

    # -- prediction ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(
        self, found: ImageBoxes, feats: Sequence[Tensor] = (), pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores of the pairs of a batch.

        Args:
            pairs: (P, 3) int64 image, subject, object; by default every pair whose subject may be one.

        Returns:
            (P, 3) int64 image, subject, object; (P, C) scores 0..1; (B, N, C) scores of predicates without object, 0
            for boxes that are no subject, or None.
        """
        if pairs is None:
            pairs = (found.pairs & self.subjects(found)[:, :, None]).nonzero()
        nodes = self.graph(found)
        scores = self.log_scores(found, pairs, self(found, nodes, pairs, feats), self.power).exp()
        return pairs, scores, self.solo_scores(found, nodes)

    def predict_all(self, found: ImageBoxes, feats: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor | None]:
        """:meth:`predict` in fixed shapes, as torch.export traces it: (B, N, N, C), 0 where no pair is; (B, N, C)."""
        count, most = found.valid.shape
        place = torch.arange(most, device=found.boxes.device)
        image = torch.arange(count, device=found.boxes.device)
        pairs = torch.stack(
            [
                image[:, None, None].expand(count, most, most).flatten(),
                place[None, :, None].expand(count, most, most).flatten(),
                place[None, None].expand(count, most, most).flatten(),
            ],
            1,
        )
        nodes = self.graph(found)
        scores = self.log_scores(found, pairs, self(found, nodes, pairs, feats), self.power).exp()
        meant = found.pairs & self.subjects(found)[:, :, None]
        return scores.view(count, most, most, -1) * meant[..., None], self.solo_scores(found, nodes)

    def solo_scores(self, found: ImageBoxes, nodes: Tensor) -> Tensor | None:
        """(B, N, C) scores of predicates without object, 0 for boxes that are no subject; None where there are none."""
        if self.to_solo is None:
            return None
        solo = self.to_solo(nodes).sigmoid() * found.scores[..., None] ** self.power
        return solo * self.subjects(found)[..., None]
