"""MH-GAT: the dense form equals a loop over nodes and neighbours; padding and other images change nothing."""

import pytest
import torch
from torch.nn import functional as F

from detplug.engine.quiet import quiet_imports
from plugins.sabra.image_boxes import ImageBoxes
from plugins.sabra.mh_gat import MHGAT, MHGATLayer


def by_loops(layer: MHGATLayer, x, edges, kinds, count):
    """The formula of the module's docstring for the first ``count`` nodes of one image."""
    rows = []
    for i in range(count):
        parts = []
        for h in range(layer.heads):
            scores, values = [], []
            for j in range(count):
                if i == j:
                    continue
                a, b = kinds[i], kinds[j]
                query, key = x[i] @ layer.query[a][:, h], x[j] @ layer.key[b][:, h]
                score = query @ layer.attend_query[a, b, h] + key @ layer.attend_key[a, b, h]
                scores.append(F.leaky_relu(score + edges[i, j] @ layer.attend_edge[a, b, h], 0.2))
                values.append(x[j] @ layer.value[a, b][:, h] + edges[i, j] @ layer.edge_value[a, b][:, h])
            if scores:
                parts.append((torch.stack(scores).softmax(0)[:, None] * torch.stack(values)).sum(0))
            else:
                parts.append(torch.zeros(layer.value.shape[-1]))
        rows.append(layer.norm(x[i] + torch.cat(parts)))
    return torch.stack(rows)


@pytest.mark.parametrize('kinds', [1, 2, 3])
def test_a_layer_is_its_formula(kinds):
    torch.manual_seed(kinds)
    layer = MHGATLayer(8, 2, kinds, edge_width=5)
    counts, most = [4, 1, 0, 3], 5
    x, edges = torch.randn(4, most, 8), torch.randn(4, most, most, 5)
    of_kind = torch.randint(kinds, (4, most))
    valid = torch.arange(most) < torch.tensor(counts)[:, None]
    pairs = valid[:, :, None] & valid[:, None] & ~torch.eye(most, dtype=torch.bool)
    got = layer(x, edges, F.one_hot(of_kind, kinds).float(), pairs)
    assert got.isfinite().all()
    for b, count in enumerate(counts):
        if count:
            torch.testing.assert_close(got[b, :count], by_loops(layer, x[b], edges[b], of_kind[b].tolist(), count))


def boxes_of(counts, most, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(len(counts), most, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + torch.rand(len(counts), most, 2, generator=generator) * 50], 2)
    labels = torch.randint(3, (len(counts), most), generator=generator)
    valid = torch.arange(most) < torch.tensor(counts)[:, None]
    return ImageBoxes(boxes, labels, torch.ones(len(counts), most), valid, torch.full((len(counts), 2), 100.0))


def test_neither_padding_nor_another_image_changes_a_node():
    torch.manual_seed(0)
    graph = MHGAT([0, 1, 1], dims=16, heads=2)
    both = boxes_of([5, 2], 5)
    alone = ImageBoxes(both.boxes[1:, :2], both.labels[1:, :2], both.scores[1:, :2], both.valid[1:, :2], both.sizes[1:])
    torch.testing.assert_close(graph(both)[1, :2], graph(alone)[0])


def test_the_order_of_boxes_does_not_matter():
    torch.manual_seed(0)
    graph = MHGAT([0, 1, 1], dims=16, heads=2)
    detections = boxes_of([6], 6)
    order = torch.randperm(6)
    turned = detections._replace(boxes=detections.boxes[:, order], labels=detections.labels[:, order])
    torch.testing.assert_close(graph(detections)[:, order], graph(turned))


def test_boxes_of_zero_size_and_images_without_boxes_are_finite():
    graph = MHGAT([0, 1, 1], dims=16, heads=2)
    detections = boxes_of([3, 0, 1], 3)
    detections.boxes[0, 0, 2:] = detections.boxes[0, 0, :2]
    detections.boxes[0, 1] = 0
    x = graph(detections)
    x.sum().backward()
    assert x.isfinite().all()
    assert all(p.grad.isfinite().all() for p in graph.parameters() if p.grad is not None)


def test_heads_must_share_the_dims():
    with pytest.raises(ValueError, match='cannot be shared'):
        MHGATLayer(10, 4, 1)


def test_one_type_equals_pytorch_geometrics_attention():
    """GATv1 without edge features is the single-type case where value and key weights agree."""
    with quiet_imports():  # it compiles a class in a way that torch calls deprecated
        from torch_geometric.nn import GATConv
    torch.manual_seed(0)
    count, heads, dims = 6, 2, 8
    layer = MHGATLayer(dims, heads, 1, edge_width=3)
    peer = GATConv(dims, dims // heads, heads=heads, add_self_loops=False, bias=False)
    with torch.no_grad():
        layer.query.copy_(layer.key)
        layer.value.copy_(layer.key[:, None])
        layer.attend_edge.zero_()
        layer.edge_value.zero_()
        peer.lin.weight.copy_(layer.key[0].flatten(1).T)
        peer.att_src.copy_(layer.attend_key[0, 0][None])
        peer.att_dst.copy_(layer.attend_query[0, 0][None])
    x = torch.randn(1, count, dims)
    pairs = ~torch.eye(count, dtype=torch.bool)[None]
    target, source = pairs[0].nonzero(as_tuple=True)
    message = peer(x[0], torch.stack([source, target]))
    got = layer(x, torch.zeros(1, count, count, 3), torch.ones(1, count, 1), pairs)[0]
    torch.testing.assert_close(got, layer.norm(x[0] + message))
