"""LWIQ: a layer's rank follows what its features add to the recognition of objects, found without any training.

LWIQ (Luo et al., arXiv 2408.01534v1): a proxy classifier made by imprinting (Elkerdawy et al., ICIP 2020) scores each
layer; a scaling factor fits the ranks to a budget without a new search. Objects cut out by their boxes in place of
whole images, the gain along the graph in place of a sequence, and the floor below which no layer goes (inside C3
blocks the gain is often negative) are ours.
"""

import math
from collections.abc import Mapping

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize, one_hot

from detplug.compression.compressors import register_selector
from detplug.errors import UserError

from .selector import CalibrationData, Layers, Ranks, ranks_of_shares

VALUES = 512  # of an embedding, about: d = round(sqrt(VALUES / channels))
BATCH = 64


class Significance(dict[str, float]):
    """Score (0 to 1) of each layer; ``accuracies``: proxy accuracy (0 to 1) of each and of the layers before it."""

    def __init__(self, scores: Mapping[str, float], accuracies: Mapping[str, float]):
        super().__init__(scores)
        self.accuracies = dict(accuracies)


@register_selector('lwiq')
class LWIQ:
    """Scores are 0 to 1, 1 for the layer that adds most; a layer's share of its full rank is
    alpha (floor + (1 - floor) score).

    Args:
        floor: share of a layer that adds nothing, at alpha 1; above 0, at most 1.
        least: gain below which layers are alike.
        leave_one_out: leave each object out of its class's mean (ours); the paper's classifier knows the objects that
            it is asked about, so that a class of few objects recognises itself.
        input_baseline: a layer that no layer feeds gains over the recognition from the pixels (ours); the default is
            that it gains all its accuracy.

    Raises:
        UserError: a floor out of its range.
    """

    def __init__(
        self, floor: float = 0.3, least: float = 1e-3, leave_one_out: bool = True, input_baseline: bool = False
    ):
        if not 0 < floor <= 1:
            raise UserError(f'lwiq: floor: {floor}; give more than 0 and at most 1')
        self.floor, self.least = floor, least
        self.leave_one_out, self.input_baseline = leave_one_out, input_baseline

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Significance:
        """Gain in proxy accuracy over the best of the layers before, over the largest gain.

        Raises:
            UserError: no object to look at, or a layer that does not see one map an object.
        """
        if not len(data.labels):
            raise UserError('--ranks lwiq: the training split has no object to look at; choose another selection')
        before = {name for layer in layers.values() for name in layer.predecessors}
        embeddings = layer_embeddings(model, sorted(before | set(layers)), data)
        accuracy = {name: imprinted_accuracy(x, data.labels, self.leave_one_out) for name, x in embeddings.items()}
        start = 0.0
        if self.input_baseline:
            start = imprinted_accuracy(embed(data.crops.float()), data.labels, self.leave_one_out)
        gains = {
            name: max(accuracy[name] - max((accuracy[x] for x in layer.predecessors), default=start), self.least)
            for name, layer in layers.items()
        }
        highest = max(gains.values())
        return Significance({name: gain / highest for name, gain in gains.items()}, accuracy)

    def ranks_at(self, scores: Mapping[str, float], layers: Layers, level: float) -> Ranks:
        alpha = level / self.floor  # at level 1 the layer that adds nothing is full too
        shares = {name: min(alpha * (self.floor + (1 - self.floor) * scores[name]), 1.0) for name in layers}
        return ranks_of_shares(layers, shares)


def layer_embeddings(model: nn.Module, names: list[str], data: CalibrationData) -> dict[str, Tensor]:
    """(M, D) embeddings of the objects at each named layer, of unit length; of all calls where it runs several times.

    Raises:
        UserError: a layer that does not see one map an object.
    """
    modules = dict(model.named_modules())
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    calls: dict[str, list[Tensor]] = {name: [] for name in names}  # of one batch

    def hook(name: str):
        return lambda module, inputs, output: calls[name].append(embed(output))

    handles = [layer_output(modules, name).register_forward_hook(hook(name)) for name in names]
    try:
        with torch.no_grad():
            for crops in data.crops.split(BATCH):
                data.run(crops)
                for name, own in calls.items():
                    if not own or any(len(x) != len(crops) for x in own):
                        raise UserError(f'--ranks lwiq: {name}: not one map an object; leave it out by --modules')
                    found[name].append(normalize(torch.cat(own, 1), dim=1))
                    own.clear()
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(own) for name, own in found.items()}


def layer_output(modules: Mapping[str, nn.Module], name: str) -> nn.Module:
    """The module whose output is the layer's: with its batch norm and activation where it is part of a ConvModule."""
    parent, _, child = name.rpartition('.')
    return modules[parent] if child == 'conv' and isinstance(modules[parent], ConvModule) else modules[name]


def embed(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, about VALUES), pooled to d x d (the map's own size where that is smaller), unit length."""
    side = max(round(math.sqrt(VALUES / maps.shape[1])), 1)
    size = tuple(min(side, own) for own in maps.shape[2:])
    return normalize(adaptive_avg_pool2d(maps, size).flatten(1), dim=1)


def imprinted_accuracy(embeddings: Tensor, labels: Tensor, leave_one_out: bool = True) -> float:
    """Share of the objects whose class has the nearest weight; a class's weight is the direction of its mean embedding.

    Args:
        embeddings: (M, D) of unit length; labels: (M,) int64.
        leave_one_out: measure each object against its class without itself; one that is alone in its class counts as
            not recognised.
    """
    classes, index = labels.to(embeddings.device).unique(return_inverse=True)
    member = one_hot(index, len(classes)).double()  # (M, K)
    embeddings = embeddings.double()
    sums = member.T @ embeddings  # (K, D): a sum has the direction of the mean
    products = embeddings @ sums.T  # (M, K)
    squares = sums.square().sum(1).expand_as(products)
    if leave_one_out:  # s - e in place of s: <e, s - e> = <e, s> - ||e||^2, ||s - e||^2 = ||s||^2 - 2 <e, s> + ||e||^2
        own = member * embeddings.square().sum(1, keepdim=True)
        squares = squares - member * 2 * products + own
        products = products - own
    right = (products / squares.clamp(min=1e-12).sqrt()).argmax(1) == index
    if leave_one_out:
        right &= member.sum(0)[index] > 1
    return right.double().mean().item()
