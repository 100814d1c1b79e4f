"""MH-GAT: multi-head attention between all boxes of an image, with one set of weights for each type of edge.

SABRA (Jin et al., arXiv 2012.12510) states a simple multi-head heterogeneous graph attention network for the global
spatial interaction of objects; the formulas are ours. Node i of kind k(i), edge type t = (k(i), k(j)), head h:

    e_ij = LeakyReLU(a_t . [Q_k(i) x_i | K_k(j) x_j | U_t r_ij]),  alpha_ij = softmax over all j != i of every type
    x_i' = LayerNorm(x_i + heads side by side of sum_j alpha_ij (V_t x_j + R_t r_ij))

All images at once, padded and dense. What belongs to an edge's type is applied to sums over the edges of that type, not
to each edge: sum_j alpha_ij R_t r_ij = R_t (sum_j alpha_ij r_ij); and a_t . U_t is one vector.

Letters: B images, N boxes, D dims, H heads, E = D / H, F numbers of an edge, K kinds of nodes (x: of i, y: of j).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .image_boxes import ImageBoxes
from .pair_vectors import NODE_WIDTH, PAIR_WIDTH, node_vectors, pair_vectors, scaled, score_vectors


class MHGATLayer(nn.Module):
    """One round of attention.

    Args:
        dims: D.
        heads: H, a divisor of D.
        kinds: K; 1 is plain graph attention.
        edge_width: F.
    """

    def __init__(self, dims: int, heads: int, kinds: int, edge_width: int = PAIR_WIDTH):
        super().__init__()
        if dims % heads:
            raise ValueError(f'MHGATLayer: {dims} dims cannot be shared by {heads} heads')
        each = dims // heads
        self.heads = heads
        self.query, self.key = (weight((kinds, dims, heads, each), dims) for _ in range(2))
        self.attend_query, self.attend_key = (weight((kinds, kinds, heads, each), each) for _ in range(2))
        self.attend_edge = weight((kinds, kinds, heads, edge_width), edge_width)
        self.value = weight((kinds, kinds, dims, heads, each), dims)
        self.edge_value = weight((kinds, kinds, edge_width, heads, each), edge_width)
        self.norm = nn.LayerNorm(dims)

    def forward(self, x: Tensor, edges: Tensor, of_kind: Tensor, pairs: Tensor) -> Tensor:
        """One round.

        Args:
            x: (B, N, D).
            edges: (B, N, N, F) r_ij.
            of_kind: (B, N, K) one-hot kinds.
            pairs: (B, N, N) bool, edges that exist.

        Returns:
            (B, N, D).
        """
        alpha = self.attention(x, edges, of_kind, pairs)  # (B, N, N, H)
        values = torch.einsum('bjd,xydhe,bjy->bjxhe', x, self.value, of_kind)
        message = torch.einsum('bijh,bjxhe,bix->bihe', alpha, values, of_kind)
        seen = torch.einsum('bijh,bjy,bijf->bihyf', alpha, of_kind, edges)
        message = message + torch.einsum('bihyf,xyfhe,bix->bihe', seen, self.edge_value, of_kind)
        return self.norm(x + message.flatten(2))

    def attention(self, x: Tensor, edges: Tensor, of_kind: Tensor, pairs: Tensor) -> Tensor:
        """(B, N, N, H) alpha_ij; each row sums to 1, to 0 where a box has no neighbour."""
        query = torch.einsum('bid,xdhe,bix->bihe', x, self.query, of_kind)
        key = torch.einsum('bjd,ydhe,bjy->bjhe', x, self.key, of_kind)
        from_query = torch.einsum('bihe,xyhe,bix,bjy->bijh', query, self.attend_query, of_kind, of_kind)
        from_key = torch.einsum('bjhe,xyhe,bix,bjy->bijh', key, self.attend_key, of_kind, of_kind)
        attended = torch.einsum('xyhf,bix->biyhf', self.attend_edge, of_kind)
        from_edge = torch.einsum('bijf,biyhf,bjy->bijh', edges, attended, of_kind)
        score = F.leaky_relu(from_query + from_key + from_edge, 0.2)
        score = score.masked_fill(~pairs[..., None], torch.finfo(score.dtype).min)
        return score.softmax(2) * pairs[..., None]


class MHGAT(nn.Module):
    """Boxes and classes -> a feature of each box that knows all others.

    Args:
        object_kinds: kind of each object class, 0..K-1: person and object, or super-groups.
        dims: D.
        heads: H.
        layers: rounds of attention; 0 gives the boxes' own features.
        class_width: of the class embedding.
        one_type: all kinds are one: plain graph attention, to compare with.
        scores: the detection score of a box is one more number of its input (ours).
    """

    def __init__(
        self,
        object_kinds: Sequence[int],
        dims: int = 256,
        heads: int = 4,
        layers: int = 2,
        class_width: int = 64,
        one_type: bool = False,
        scores: bool = False,
    ):
        super().__init__()
        object_kinds = [0] * len(object_kinds) if one_type else object_kinds
        kinds = max(object_kinds) + 1
        self.dims, self.scores = dims, scores
        self.register_buffer('kind_of_label', F.one_hot(torch.tensor(object_kinds), kinds).float(), persistent=False)
        self.classes = nn.Embedding(len(object_kinds), class_width)
        width = NODE_WIDTH + class_width + int(scores)
        self.enter = nn.Sequential(nn.Linear(width, dims), nn.ReLU(), nn.LayerNorm(dims))
        self.layers = nn.ModuleList(MHGATLayer(dims, heads, kinds) for _ in range(layers))

    def forward(self, detections: ImageBoxes) -> Tensor:
        """(B, N, D); rows of padding hold no meaning."""
        inputs = [node_vectors(detections.boxes, detections.sizes[:, None]), self.classes(detections.labels)]
        if self.scores:
            inputs.append(score_vectors(detections.scores))
        x = self.enter(torch.cat(inputs, -1))
        if self.layers:
            edges = scaled(
                pair_vectors(detections.boxes[:, :, None], detections.boxes[:, None], detections.sizes[:, None, None])
            )
            of_kind, pairs = self.kind_of_label[detections.labels], detections.pairs
            for layer in self.layers:
                x = layer(x, edges, of_kind, pairs)
        return x


def weight(shape: tuple[int, ...], inputs: int) -> nn.Parameter:
    """A parameter of this shape, drawn as nn.Linear draws for ``inputs`` inputs."""
    bound = inputs**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
