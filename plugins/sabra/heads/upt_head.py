"""A two-stage head after UPT (Zhang, Campbell and Gould, "Efficient Two-Stage Detection of Human-Object Interactions
with a Novel Unary-Pairwise Transformer", arXiv 2112.01838): attention over boxes, then attention over pairs.

UPT's: unary tokens that attend to one another with the pairs' spatial encodings in both the weights and the messages
(cooperative layers), pairwise tokens of their products that a plain encoder compares (competitive layer), a focal loss
of classifier times detection scores, power 1 in training and 2.8 at test. Ours: the widths, one formula for queries,
pooled maps and given features as appearance, class embeddings where there is no appearance, padding in place of a loop
over images, the lower limit of the loss's divisor. UPT reads DETR's decoder states; ``visual=dict(type='BoxFeatures',
channels=256)`` behind a DETR is that.

Letters: B images, N boxes, P pairs of an image, C predicates, O object classes, D dims, H heads.
"""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..image_boxes import ImageBoxes, every_pair
from ..pair_vectors import NODE_WIDTH, PAIR_WIDTH, node_vectors, pair_vectors, scaled
from ..proposals import INVALID, Truth, label_proposals, predicate_targets
from ..relation_loss import focal_loss, loss_divisor
from ..visual import build_visual, mlp

NEGATIVES_PER_POSITIVE = 32.0  # see loss_divisor


class CooperativeLayer(nn.Module):
    """Boxes of an image attend to one another: weights of both tokens and of their pair's encoding, messages of the
    other token times the encoding.

    Args:
        dims: D, a multiple of ``heads``.
        heads: H.
    """

    def __init__(self, dims: int, heads: int):
        super().__init__()
        self.heads = heads
        self.weigh = nn.Linear(3 * dims, heads)
        self.message, self.gate, self.out = (nn.Linear(dims, dims) for _ in range(3))
        self.feed = nn.Sequential(nn.Linear(dims, 2 * dims), nn.ReLU(), nn.Linear(2 * dims, dims))
        self.norm, self.feed_norm = nn.LayerNorm(dims), nn.LayerNorm(dims)

    def forward(self, x: Tensor, edges: Tensor, pairs: Tensor) -> Tensor:
        """(B, N, D) tokens, (B, N, N, D) encodings, (B, N, N) bool pairs that exist -> (B, N, D)."""
        shape = edges.shape
        both = torch.cat([x[:, :, None].expand(shape), x[:, None].expand(shape), edges], -1)
        weights = self.weigh(both).masked_fill(~pairs[..., None], -1e4).softmax(2) * pairs[..., None]
        messages = self.message(x)[:, None] * self.gate(edges)
        heard = torch.einsum('bnmh,bnmhe->bnhe', weights, messages.unflatten(-1, (self.heads, -1)))
        x = self.norm(x + self.out(heard.flatten(2)))
        return self.feed_norm(x + self.feed(x))


@MODELS.register_module()
class UPTHead(nn.Module):
    """A relation head, see protocol.py; every pair whose subject may be one is learned from and predicted.

    Args:
        predicates: C.
        object_classes: O.
        subject_labels: object classes that may be a subject (person); by default all.
        visual: config of what is seen of boxes and unions, see visual.py; None: boxes and classes alone.
        dims: D; heads: H; layers: cooperative layers, one competitive layer follows.
        iou_thr, same_class: when a box is matched, see proposals.py.
        power: of the detection scores at test; in training it is 1.
    """

    def __init__(
        self,
        predicates: int,
        object_classes: int,
        subject_labels: Sequence[int] | None = None,
        visual: dict | None = None,
        dims: int = 128,
        heads: int = 4,
        layers: int = 2,
        iou_thr: float = 0.5,
        same_class: bool = True,
        power: float = 2.8,
    ):
        super().__init__()
        self.predicates, self.power, self.iou_thr, self.same_class = predicates, power, iou_thr, same_class
        self.visual = build_visual(visual)
        self.names = nn.Embedding(object_classes, dims)
        box_width = self.visual.box_width if self.visual else 0
        self.union_width = self.visual.width - 2 * box_width if self.visual else 0
        self.unary = mlp(NODE_WIDTH + dims + box_width, dims)
        self.spatial = mlp(PAIR_WIDTH, dims)
        self.cooperative = nn.ModuleList(CooperativeLayer(dims, heads) for _ in range(layers))
        self.subject, self.object_, self.union = (nn.Linear(x, dims) for x in (dims, dims, dims + self.union_width))
        self.competitive = nn.TransformerEncoderLayer(dims, heads, 2 * dims, dropout=0.1, batch_first=True)
        self.classify = nn.Linear(dims, predicates)
        nn.init.constant_(self.classify.bias, -4.0)  # a pair rarely has a predicate
        may = torch.full((object_classes,), subject_labels is None)
        may[list(subject_labels or [])] = True
        self.register_buffer('may_be_subject', may, persistent=False)
        self.register_buffer('allowed', torch.ones(object_classes, predicates, dtype=torch.bool))

    def forward(self, detections: ImageBoxes, pairs: Tensor, feats: Sequence[Tensor] = ()) -> Tensor:
        """Logits (P, C) of (P, 3) image, subject, object."""
        tokens = self.tokens(detections, pairs, feats)
        return self.classify(self.compare(tokens, pairs[:, 0], len(detections.valid)))

    def tokens(self, detections: ImageBoxes, pairs: Tensor, feats: Sequence[Tensor]) -> Tensor:
        """(P, D) of (P, 3) image, subject, object, before pairs attend to one another."""
        sizes = detections.sizes[:, None]
        parts = [node_vectors(detections.boxes, sizes), self.names(detections.labels)]
        if self.visual:
            parts.append(self.visual.boxes(feats, detections))
        x = self.unary(torch.cat(parts, -1))
        vectors = pair_vectors(detections.boxes[:, :, None], detections.boxes[:, None], sizes[:, None])
        edges = self.spatial(scaled(vectors))
        for layer in self.cooperative:
            x = layer(x, edges, detections.pairs)
        image, subject, object_ = pairs.unbind(1)
        seen = [edges[image, subject, object_]]
        if self.union_width:
            seen.append(self.visual.unions(feats, detections, pairs))
        both = (self.subject(x[image, subject]) + self.object_(x[image, object_])).relu()
        return both * self.union(torch.cat(seen, 1))

    def compare(self, tokens: Tensor, image: Tensor, count: int) -> Tensor:
        """(P, D) tokens of pairs -> the same after those of each of ``count`` images attended to one another."""
        if not len(tokens):
            return tokens
        order = image.argsort(stable=True)
        counts = torch.bincount(image, minlength=count)
        place = torch.arange(len(image), device=image.device) - (counts.cumsum(0) - counts)[image[order]]
        padded = tokens.new_zeros(count, int(counts.max()), tokens.shape[1])
        padded[image[order], place] = tokens[order]
        absent = torch.arange(padded.shape[1], device=image.device) >= counts[:, None].clamp(min=1)
        out = self.competitive(padded, src_key_padding_mask=absent)[image[order], place]
        return torch.zeros_like(out).index_copy(0, order, out)

    def log_scores(self, detections: ImageBoxes, pairs: Tensor, logits: Tensor, power: float) -> Tensor:
        """(P, C) log of the scores; -inf where the object class does not go with the predicate."""
        image, subject, object_ = pairs.unbind(1)
        prior = (detections.scores[image, subject] * detections.scores[image, object_]).clamp(min=1e-6)
        scores = nn.functional.logsigmoid(logits) + power * prior.log()[:, None]
        return scores.masked_fill(~self.allowed[detections.labels[image, object_]], -torch.inf)

    def loss(self, detections: ImageBoxes, truth: Truth, feats: Sequence[Tensor] = ()) -> dict[str, Tensor]:
        """Focal loss of all pairs, divided by the positives; by the negatives / 32 where there are fewer positives."""
        subjects = detections.valid & self.may_be_subject[detections.labels]
        labels = label_proposals(detections, truth, self.iou_thr, self.same_class, subjects)
        pairs = (labels.kinds != INVALID).nonzero()
        targets = predicate_targets(labels, truth, pairs, self.predicates)
        log_p = self.log_scores(detections, pairs, self(detections, pairs, feats), 1.0)
        losses = torch.where(log_p.isinf(), 0, focal_loss(log_p, targets))
        negatives = (1 - targets.amax(1)).sum()
        return dict(loss_predicate=losses.sum() / loss_divisor(targets.sum(), negatives, NEGATIVES_PER_POSITIVE))

    def subject_pairs(self, detections: ImageBoxes) -> Tensor:
        """(B, N, N) bool: pairs whose subject may be one."""
        return detections.pairs & self.may_be_subject[detections.labels][:, :, None]

    @torch.no_grad()
    def predict(
        self, detections: ImageBoxes, feats: Sequence[Tensor] = (), pairs: Tensor | None = None
    ) -> tuple[Tensor, Tensor, None]:
        """As protocol.py says."""
        if pairs is None:
            pairs = self.subject_pairs(detections).nonzero()
        return pairs, self.log_scores(detections, pairs, self(detections, pairs, feats), self.power).exp(), None

    def predict_all(self, detections: ImageBoxes, feats: Sequence[Tensor] = ()) -> tuple[Tensor, None]:
        """:meth:`predict` in fixed shapes, as torch.export traces it: (B, N, N, C), 0 where no pair is."""
        meant, pairs = self.subject_pairs(detections), every_pair(detections)
        count, most = detections.valid.shape
        meant = meant.view(count, -1)
        absent = ~meant & meant.any(1, keepdim=True)  # of an image without pairs none is absent: no mean of nothing
        tokens = self.tokens(detections, pairs, feats).view(count, most * most, -1)
        logits = self.classify(self.competitive(tokens, src_key_padding_mask=absent)).flatten(0, 1)
        scores = self.log_scores(detections, pairs, logits, self.power).exp()
        return (scores * meant.flatten()[:, None]).view(count, most, most, -1), None
