"""What balanced negative sampling and MH-GAT cost, the latter beside PyTorch Geometric's attention.

bnps_ms       labels of the 9,900 ordered pairs of 100 detections with 20 true relations, and the draw of 64 of them
mh_gat_ms     two MH-GAT layers, 256 dims, 4 heads, persons and objects, on 16 images of 30 boxes, forward
pyg_ms        two GATConv of the same width and heads on the same graphs and edge vectors; they know no types of edges,
              send no edge vectors, and have neither residual nor norm
gat_over_pyg  mh_gat_ms / pyg_ms
pyg_plain_ms  the same GATConv without edge vectors
whole_ms      MH-GAT as the detector calls it: with the pair vectors of the boxes and the class embeddings

Medians. The three forms of attention and the whole run in turn, in the opposite order every other round, so that a
machine whose speed drifts slows all alike. In the single-type case both give the same numbers (tests/plugins/sabra).

python benchmarks/sabra_speed.py      (under a minute; needs torch_geometric, which `make setup` installs)
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from record import record
from torch import Tensor, nn

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from torch_geometric.nn import GATConv

    from plugins.sabra.image_boxes import ImageBoxes
    from plugins.sabra.mh_gat import MHGAT
    from plugins.sabra.pair_vectors import PAIR_WIDTH, pair_vectors, scaled
    from plugins.sabra.proposals import Truth, label_proposals
    from plugins.sabra.sampling import BalancedNegativeSampler, PairDraw

SEED, SIDE, CLASSES = 0, 640.0, 80  # px; the first class is the person
DETECTIONS, OBJECTS, RELATIONS, PAIRS = 100, 25, 20, 64
IMAGES, BOXES, DIMS, HEADS, LAYERS = 16, 30, 256, 4, 2


def boxes_anywhere(images: int, boxes: int, generator: torch.Generator) -> ImageBoxes:
    """``boxes`` boxes of 30 to 300 px in each image, every other one a person."""
    corner, side = (torch.rand(images, boxes, 2, generator=generator) for _ in range(2))
    side = 30 + 270 * side
    corner = corner * (SIDE - side)
    labels = torch.randint(1, CLASSES, (images, boxes), generator=generator)
    labels[:, ::2] = 0
    all_ = torch.ones(images, boxes)
    return ImageBoxes(torch.cat([corner, corner + side], 2), labels, all_, all_ > 0, torch.full((images, 2), SIDE))


def bnps(generator: torch.Generator) -> Callable[[], PairDraw]:
    """Labelling and sampling of one image; two of three detections lie near an object of the truth."""
    truth = boxes_anywhere(1, OBJECTS, generator)
    found = boxes_anywhere(1, DETECTIONS, generator)
    near = torch.arange(DETECTIONS) % 3 > 0
    of = torch.arange(DETECTIONS)[near] % OBJECTS
    moved = truth.boxes[0, of] + 4 * torch.randn(len(of), 4, generator=generator)
    found.boxes[0, near], found.labels[0, near] = moved, truth.labels[0, of]
    pairs = (~torch.eye(OBJECTS - 3, dtype=torch.bool)).nonzero()  # three objects are in no relation
    pairs = pairs[torch.randperm(len(pairs), generator=generator)[:RELATIONS]]
    relations = torch.cat([torch.zeros(RELATIONS, 1, dtype=torch.int64), pairs, torch.zeros_like(pairs[:, :1])], 1)
    known = Truth(truth, relations, truth.valid)
    sampler = BalancedNegativeSampler(num_pairs=PAIRS, pos_fraction=0.5)

    def step() -> PairDraw:
        return sampler(label_proposals(found, known).kinds.flatten(1))

    drawn = step()
    counts = sampler.counts.take()
    counts.pop('scarce')
    assert sum(counts[name] for name in counts if name.startswith('available/')) == DETECTIONS * (DETECTIONS - 1)
    assert drawn.weight.sum() == PAIRS and all(counts.values()), 'every kind of pair is there'
    return step


def attentions(generator: torch.Generator) -> dict[str, Callable[[], Tensor]]:
    """Name of the figure -> forward of the attention."""
    found = boxes_anywhere(IMAGES, BOXES, generator)
    graph = MHGAT([0] + [1] * (CLASSES - 1), dims=DIMS, heads=HEADS, layers=LAYERS).eval()
    x = torch.randn(IMAGES, BOXES, DIMS, generator=generator)
    edges = scaled(pair_vectors(found.boxes[:, :, None], found.boxes[:, None], found.sizes[:, None, None]))
    kinds, pairs = graph.kind_of_label[found.labels], found.pairs
    image, target, source = pairs.nonzero(as_tuple=True)
    index = torch.stack([image * BOXES + source, image * BOXES + target])
    attributes, nodes = edges[pairs], x.flatten(0, 1)

    def geometric(edge_dim: int | None) -> nn.ModuleList:
        layer = dict(heads=HEADS, add_self_loops=False, edge_dim=edge_dim)
        return nn.ModuleList(GATConv(DIMS, DIMS // HEADS, **layer) for _ in range(LAYERS)).eval()

    with_edges, plain = geometric(PAIR_WIDTH), geometric(None)

    def ours() -> Tensor:
        y = x
        for layer in graph.layers:
            y = layer(y, edges, kinds, pairs)
        return y

    def theirs(layers: nn.ModuleList, *more: Tensor) -> Tensor:
        y = nodes
        for layer in layers:
            y = layer(y, index, *more)
        return y

    return dict(
        mh_gat_ms=ours,
        pyg_ms=lambda: theirs(with_edges, attributes),
        pyg_plain_ms=lambda: theirs(plain),
        whole_ms=lambda: graph(found),
    )


def medians(calls: Mapping[str, Callable], rounds: int, warm_up: int = 5) -> dict[str, float]:
    """Median milliseconds of each call, the calls in turn and in the opposite order every other round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warm_up + rounds):
        for name in list(calls)[:: -1 if number % 2 else 1]:
            began = time.perf_counter()
            calls[name]()
            if number >= warm_up:
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


@torch.inference_mode()
def measure(rounds: int) -> dict[str, float]:
    """All figures."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    figures = medians(dict(bnps_ms=bnps(generator)), rounds) | medians(attentions(generator), rounds)
    return figures | dict(gat_over_pyg=figures['mh_gat_ms'] / figures['pyg_ms'], rounds=rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=200)
    record('sabra_speed', measure(parser.parse_args().rounds), [SEED])


if __name__ == '__main__':
    torch.set_num_threads(2)
    main()
