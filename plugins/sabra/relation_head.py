"""Relation head: pairs of boxes -> predicates, from where they lie, what they are and, in pixel mode, how they look.

SABRA's parts (Jin et al., arXiv 2012.12510) are balanced negative sampling, MH-GAT and the spatial mask decoder; the
classifier around them, interactiveness and the scores (after UPT, arXiv 2112.01838) are ours.

Letters: B images, N boxes, P pairs, O object classes, C predicates, D dims.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from .head_crops import HeadCrops
from .image_boxes import ImageBoxes, every_pair
from .mask_decoder import SpatialMaskDecoder, mask_loss, pair_masks
from .mh_gat import MHGAT
from .pair_vectors import PAIR_WIDTH, pair_vectors, scaled, score_vectors
from .proposals import INVALID, ProposalLabels, Truth, intransitive_targets, label_proposals, predicate_targets
from .relation_loss import check_focal, exclusive_chances, focal_loss, log_chance, loss_divisor
from .visual import build_visual

# chances before anything is learned: of a predicate, given a relation; of a relation
RARE, RELATED = 0.02, 0.1


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
        head_crops: arguments of HeadCrops, for predicates that a gaze says; None: none.
        dims: D.
        subject_labels: object classes that may be a subject (person); by default all.
        intransitive: predicates may hold without an object (V-COCO).
        exclusive: predicates exclude one another (VRD names one of on, above, ...): softmax in place of sigmoids.
        same_class, iou_thr: when a box is matched, see proposals.py.
        power: lambda of the detection scores at test (UPT: 2.8, found with DETR's scores).
        train_power: lambda in the focal loss of the predicates; 0 leaves the detection scores out of the loss. With
            ``exclusive`` no loss has detection scores.
        interactive_weight: of the loss of interactiveness alone.
        negatives_per_positive: from how many negatives a positive on losses are divided by negatives, see loss_divisor.
        focal: ``alpha`` and ``gamma`` of the focal losses, by default UPT's .5 and .2.
        no_relation: predicates that say that there is no relation (HICO-DET's no_interaction): they do not make a pair
            interactive, and their score is without interactiveness, as in TIN (Li et al., arXiv 1811.08264). By default
            none, as in SCG.
        score_inputs: the graph and the classifier know the detection scores (ours); otherwise only the product does.
        mask_pairs: of a step, whose masks are drawn; they cost more than anything else of a pair.
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
        head_crops: dict | None = None,
        dims: int = 256,
        subject_labels: Sequence[int] | None = None,
        intransitive: bool = False,
        exclusive: bool = False,
        same_class: bool = True,
        iou_thr: float = 0.5,
        power: float = 1.0,
        train_power: float = 1.0,
        interactive_weight: float = 1.0,
        negatives_per_positive: float = 32.0,
        focal: Mapping[str, float] | None = None,
        no_relation: Sequence[int] = (),
        score_inputs: bool = False,
        mask_pairs: int = 128,
        class_width: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.num_predicates, self.power, self.train_power = predicates, power, train_power
        self.exclusive = exclusive
        self.same_class, self.iou_thr = same_class, iou_thr
        self.mask_weight, self.interactive_weight, self.mask_pairs = mask_weight, interactive_weight, mask_pairs
        self.negatives_per_positive = negatives_per_positive
        self.focal = check_focal(focal or {})
        self.score_inputs = score_inputs
        self.sampler = TASK_UTILS.build(sampler)
        self.graph = MHGAT(object_kinds, **(graph or {}), scores=score_inputs)
        pair_width = 2 * self.graph.dims + PAIR_WIDTH + 2 * int(score_inputs)
        self.decoder = SpatialMaskDecoder(pair_width, dims, masks=mask_weight > 0)
        self.pooling = build_visual(visual)
        self.head_crops = None if head_crops is None else HeadCrops(predicates, **head_crops)
        self.subject_class, self.object_class = (nn.Embedding(len(object_kinds), class_width) for _ in range(2))
        width = dims + 2 * class_width + (self.pooling.width if self.pooling else 0)
        self.classify = nn.Sequential(
            nn.Linear(width, 2 * dims), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * dims, dims), nn.ReLU(),
            nn.Dropout(dropout),
        )  # fmt: skip
        self.to_predicates, self.to_interactive = nn.Linear(dims, predicates), nn.Linear(dims, 1)
        self.to_intransitive = nn.Linear(self.graph.dims, predicates) if intransitive else None
        may = torch.ones(len(object_kinds), dtype=torch.bool)
        if subject_labels is not None:
            may = torch.zeros_like(may)
            may[list(subject_labels)] = True
        self.register_buffer('may_be_subject', may, persistent=False)
        self.register_buffer('allowed', torch.ones(len(object_kinds), predicates, dtype=torch.bool))
        self.register_buffer('tells_relation', torch.ones(predicates, dtype=torch.bool), persistent=False)
        self.tells_relation[list(no_relation)] = False
        nn.init.constant_(self.to_predicates.bias, math.log(RARE / (1 - RARE)))
        nn.init.constant_(self.to_interactive.bias, math.log(RELATED / (1 - RELATED)))

    # -- what both sides need ------------------------------------------------------------------------------------------

    def forward(self, detections: ImageBoxes, nodes: Tensor, pairs: Tensor, feats: Sequence[Tensor] = ()) -> PairLogits:
        """Classify pairs.

        Args:
            nodes: (B, N, D') of the graph.
            pairs: (P, 3) int64: image, subject, object.
            feats: maps of the detector, in pixel mode; last the network's input, for ``head_crops``.
        """
        image, subject, object_ = pairs.unbind(1)
        first, second = detections.boxes[image, subject], detections.boxes[image, object_]
        between = scaled(pair_vectors(first, second, detections.sizes[image]))
        ends = [nodes[image, subject], nodes[image, object_], between]
        if self.score_inputs:
            ends += [score_vectors(detections.scores[image, place]) for place in (subject, object_)]
        latent = self.decoder(torch.cat(ends, 1))
        inputs = [
            latent,
            self.subject_class(detections.labels[image, subject]),
            self.object_class(detections.labels[image, object_]),
        ]
        if self.pooling is not None:
            inputs.append(self.pooling(feats, detections, pairs))
        x = self.classify(torch.cat(inputs, 1))
        predicates, interactive = self.to_predicates(x), self.to_interactive(x)[:, 0]
        if self.head_crops is not None:
            of_predicates, of_interactive = self.head_crops(feats[-1], detections, pairs)
            predicates, interactive = predicates + of_predicates, interactive + of_interactive
        if self.exclusive:
            chances = exclusive_chances(predicates, self.allowed[detections.labels[image, object_]])
        else:
            chances = nn.functional.logsigmoid(predicates)
        return PairLogits(chances, interactive, latent)

    @property
    def predicts_without_object(self) -> bool:
        """As heads/protocol.py says."""
        return self.to_intransitive is not None

    def subjects(self, detections: ImageBoxes) -> Tensor:
        """(B, N) bool: boxes that may be a subject."""
        return detections.valid & self.may_be_subject[detections.labels]

    def log_scores(self, detections: ImageBoxes, pairs: Tensor, logits: PairLogits, power: float) -> Tensor:
        """(P, C) log of the relation's score; -inf where the object class does not go with the predicate."""
        image, subject, object_ = pairs.unbind(1)
        prior = detections.scores[image, subject] * detections.scores[image, object_]
        scores = log_chance(logits.predicates, logits.interactive, prior, power)
        scores = scores - nn.functional.logsigmoid(logits.interactive)[:, None] * ~self.tells_relation
        return scores.masked_fill(~self.allowed[detections.labels[image, object_]], -torch.inf)

    # -- training ------------------------------------------------------------------------------------------------------

    def loss(self, detections: ImageBoxes, truth: Truth, feats: Sequence[Tensor] = ()) -> dict[str, Tensor]:
        """Losses of a batch; all finite without any pair or relation."""
        labels = label_proposals(detections, truth, self.iou_thr, self.same_class, self.subjects(detections))
        nodes = self.graph(detections)
        pairs, times = self.sample(detections, truth, labels, nodes, feats)
        logits = self(detections, nodes, pairs, feats)
        targets = predicate_targets(labels, truth, pairs, self.num_predicates)
        positive, related = targets.amax(1), (targets * self.tells_relation).amax(1)
        by_pair = self.pair_losses(detections, pairs, logits, targets)
        losses = dict(loss_predicate=(times * by_pair).sum() / self.divisor(targets.sum(1), positive, times))
        by_pair = self.interactive_losses(logits, related)
        losses['loss_interactive'] = (times * by_pair).sum() / self.divisor(related, related, times)
        if self.mask_weight:
            some = torch.randperm(len(pairs), device=pairs.device)[: self.mask_pairs]
            boxes = [detections.boxes[pairs[some, 0], pairs[some, k]] for k in (1, 2)]
            masks = self.decoder.masks(logits.latent[some])
            losses['loss_mask'] = self.mask_weight * mask_loss(masks, pair_masks(*boxes))
        if self.to_intransitive is not None:
            losses['loss_intransitive'] = self.intransitive_loss(detections, truth, labels, nodes)
        return losses

    def sample(
        self, detections: ImageBoxes, truth: Truth, labels: ProposalLabels, nodes: Tensor, feats: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(P, 3) image, subject, object of the pairs to learn from, and (P,) how often each was drawn."""
        count, most = detections.valid.shape
        kinds = labels.kinds.view(count, most * most)
        losses = None
        if self.sampler.needs_losses:
            with torch.no_grad():
                every = (labels.kinds != INVALID).nonzero()
                logits = self(detections, nodes, every, feats)
                targets = predicate_targets(labels, truth, every, self.num_predicates)
                losses = nodes.new_zeros(kinds.shape)
                hardness = self.pair_losses(detections, every, logits, targets)
                related = (targets * self.tells_relation).amax(1)
                hardness = hardness + self.interactive_losses(logits, related)
                image, subject, object_ = every.unbind(1)
                losses[image, subject * most + object_] = hardness
        index, times = self.sampler(kinds, losses)
        image, pair = index.unbind(1)
        return torch.stack([image, pair // most, pair % most], 1), times

    def divisor(self, positives: Tensor, positive: Tensor, times: Tensor) -> Tensor:
        """Of a loss: ``positives`` (P,) of each pair, ``positive`` (P,) 0 or 1, ``times`` (P,) drawn."""
        negatives = (times * (1 - positive)).sum()
        return loss_divisor((times * positives).sum(), negatives, self.negatives_per_positive)

    def pair_losses(self, detections: ImageBoxes, pairs: Tensor, logits: PairLogits, targets: Tensor) -> Tensor:
        """(P,) loss of each pair, over the predicates that its object class allows.

        Predicates that exclude one another: cross entropy of the related pairs; whether a pair is related is left to
        interactiveness. Others: focal loss of the score.
        """
        if self.exclusive:
            share = targets / targets.sum(1, keepdim=True).clamp(min=1)
            return -torch.where(logits.predicates.isinf(), 0, share * logits.predicates).sum(1)
        log_p = self.log_scores(detections, pairs, logits, self.train_power)
        return torch.where(log_p.isinf(), 0, focal_loss(log_p, targets, **self.focal)).sum(1)

    def interactive_losses(self, logits: PairLogits, positive: Tensor) -> Tensor:
        """(P,) focal loss of interactiveness alone; ``positive`` (P,) 0 or 1."""
        log_p = nn.functional.logsigmoid(logits.interactive)
        return self.interactive_weight * focal_loss(log_p, positive, **self.focal)

    def intransitive_loss(self, detections: ImageBoxes, truth: Truth, labels: ProposalLabels, nodes: Tensor) -> Tensor:
        """Loss of predicates without object, over the boxes that may be a subject and are annotated."""
        targets = intransitive_targets(labels, truth, self.num_predicates)
        counts = self.subjects(detections) & labels.annotated
        prior = self.train_power * detections.scores.clamp(min=1e-6).log()[..., None]
        log_p = nn.functional.logsigmoid(self.to_intransitive(nodes)) + prior
        targets = targets[counts]
        divisor = self.divisor(targets.sum(1), targets.amax(1), torch.ones_like(targets[:, 0]))
        return focal_loss(log_p[counts], targets, **self.focal).sum() / divisor

    # -- prediction ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(
        self, detections: ImageBoxes, feats: Sequence[Tensor] = (), pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores of the pairs of a batch.

        Args:
            pairs: (P, 3) int64 image, subject, object; by default every pair whose subject may be one.

        Returns:
            (P, 3) int64 image, subject, object; (P, C) scores 0..1; (B, N, C) scores of predicates without object, 0
            for boxes that are no subject, or None.
        """
        if pairs is None:
            pairs = (detections.pairs & self.subjects(detections)[:, :, None]).nonzero()
        nodes = self.graph(detections)
        scores = self.log_scores(detections, pairs, self(detections, nodes, pairs, feats), self.power).exp()
        return pairs, scores, self.intransitive_scores(detections, nodes)

    def predict_all(self, detections: ImageBoxes, feats: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor | None]:
        """:meth:`predict` in fixed shapes, as torch.export traces it: (B, N, N, C), 0 where no pair is; (B, N, C)."""
        count, most = detections.valid.shape
        pairs = every_pair(detections)
        nodes = self.graph(detections)
        scores = self.log_scores(detections, pairs, self(detections, nodes, pairs, feats), self.power).exp()
        meant = detections.pairs & self.subjects(detections)[:, :, None]
        return scores.view(count, most, most, -1) * meant[..., None], self.intransitive_scores(detections, nodes)

    def intransitive_scores(self, detections: ImageBoxes, nodes: Tensor) -> Tensor | None:
        """(B, N, C) scores of predicates without object, 0 for boxes that are no subject; None where there are none."""
        if self.to_intransitive is None:
            return None
        intransitive = self.to_intransitive(nodes).sigmoid() * detections.scores[..., None] ** self.power
        return intransitive * self.subjects(detections)[..., None]
