"""LWIQ, our reconstruction from the abstract: a layer's rank follows what its features add to recognising objects.

The abstract of LWIQ (Luo et al., arXiv 2408.01534v1) says that a proxy classifier made by imprinting scores each layer
and that a scaling factor fits the ranks to a budget without a new search; its formulas and tables were never seen. The
imprinting is Elkerdawy et al.'s (ICIP 2020), whose significance of a node is its gain over the node before it. The rest
is ours: objects cut out by their boxes in place of whole images, recognition measured by the leave-one-out likelihood
(an accuracy saturates where few classes are told apart), the pixels as the node before the first layer, gains over a
high quantile of them (one layer alone does not set the scale), and the floor below which no layer goes.

What it measures is what a layer adds, not what cutting it costs: `imprinted_sensitivity` measures that.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize, one_hot
from torch.nn.modules.batchnorm import _BatchNorm

from detplug.errors import UserError

from ..compressed import ACTIVATIONS
from .selector import CalibrationData, Layers, Ranks, ranks_of_shares
from .selectors import register_selector

VALUES = 512  # of an embedding, about: d = round(sqrt(VALUES / channels))
BATCH = 64
TEMPERATURE = 10.0  # of the softmax over cosines


FOLLOWING = (_BatchNorm, nn.ReLU, *ACTIVATIONS)


class Significance(dict[str, float]):
    """Score (0 to 1) of each layer; ``accuracies``: proxy accuracy (0 to 1) of each and of the layers before it."""

    def __init__(self, scores: Mapping[str, float], accuracies: Mapping[str, float]):
        super().__init__(scores)
        self.accuracies = dict(accuracies)


@register_selector('lwiq')
class LWIQ:
    """Scores are 0 to 1; a layer's share of its full rank is alpha (floor + (1 - floor) score).

    Args:
        floor: share of a layer that adds nothing, at alpha 1; above 0, at most 1.
        least: gain below which layers are alike.
        leave_one_out: leave each object out of its class's mean; the paper's classifier knows the objects that it is
            asked about, so that a class of few objects recognises itself.
        input_baseline: a layer that no layer feeds gains over the recognition from the pixels; else all that it has.
        soft: recognition is the mean log-likelihood, else the accuracy.
        quantile: of the gains, whose score is 1, as are those above it.

    Raises:
        UserError: a floor or a quantile out of its range.
    """

    def __init__(
        self,
        floor: float = 0.05,
        least: float = 1e-3,
        leave_one_out: bool = True,
        input_baseline: bool = True,
        soft: bool = True,
        quantile: float = 0.9,
    ):
        for name, value in (('floor', floor), ('quantile', quantile)):
            if not 0 < value <= 1:
                raise UserError(f'lwiq: {name}: {value}; give more than 0 and at most 1')
        self.floor, self.least, self.quantile = floor, least, quantile
        self.leave_one_out, self.input_baseline, self.soft = leave_one_out, input_baseline, soft

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Significance:
        """Gain in recognition over the best of the layers before, over the quantile of all gains.

        Raises:
            UserError: no object to look at, or a layer that does not see one map an object.
        """
        if not len(data.labels):
            raise UserError('--ranks lwiq: the training split has no object to look at; choose another selection')
        before = {name for layer in layers.values() for name in layer.predecessors}
        embeddings = layer_embeddings(model, sorted(before | set(layers)), data)
        recognised = {name: self.recognition(x, data.labels) for name, x in embeddings.items()}
        start = self.nothing(data.labels)
        if self.input_baseline:
            start = self.recognition(embed(data.crops.float()), data.labels)
        gains = {
            name: max(recognised[name] - max((recognised[x] for x in layer.predecessors), default=start), self.least)
            for name, layer in layers.items()
        }
        high = float(np.quantile(list(gains.values()), self.quantile, method='higher'))
        accuracies = {name: imprinted_accuracy(x, data.labels, self.leave_one_out) for name, x in embeddings.items()}
        return Significance({name: min(gain / high, 1.0) for name, gain in gains.items()}, accuracies)

    def recognition(self, embeddings: Tensor, labels: Tensor) -> float:
        """How well the imprinted classifier recognises the objects; more is better."""
        measure = imprinted_likelihood if self.soft else imprinted_accuracy
        return measure(embeddings, labels, self.leave_one_out)

    def nothing(self, labels: Tensor) -> float:
        """The recognition of a classifier that sees nothing."""
        return -math.log(len(labels.unique())) if self.soft else 0.0

    def ranks_at(self, scores: Mapping[str, float], layers: Layers, level: float) -> Ranks:
        alpha = level / self.floor  # at level 1 the layer that adds nothing is full too
        shares = {name: min(alpha * (self.floor + (1 - self.floor) * scores[name]), 1.0) for name in layers}
        return ranks_of_shares(layers, shares)


def layer_embeddings(model: nn.Module, names: list[str], data: CalibrationData) -> dict[str, Tensor]:
    """(M, D) embeddings of the objects at each named layer, of unit length; of all calls where it runs several times.

    A layer's output is read after the batch norm and the activation that follow it, whatever module runs them.

    Raises:
        UserError: a layer that does not see one map an object.
    """
    modules = dict(model.named_modules())
    embeddings: dict[str, list[Tensor]] = {name: [] for name in names}
    calls: dict[str, list[Tensor]] = {name: [] for name in names}  # of one batch

    def end(name: str):
        def note(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            output.layer = name
            calls[name].append(embed(output))

        return note

    def follow(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        name = getattr(inputs[0], 'layer', None)
        if name is not None:
            output.layer = name
            calls[name][-1] = embed(output)

    handles = [modules[name].register_forward_hook(end(name)) for name in names]
    handles += [x.register_forward_hook(follow) for x in model.modules() if isinstance(x, FOLLOWING)]
    try:
        with torch.no_grad():
            for crops in data.crops.split(BATCH):
                data.run(crops)
                for name, outputs in calls.items():
                    if not outputs or any(len(x) != len(crops) for x in outputs):
                        raise UserError(f'--ranks lwiq: {name}: not one map an object; leave it out by --modules')
                    embeddings[name].append(normalize(torch.cat(outputs, 1), dim=1))
                    outputs.clear()
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(outputs) for name, outputs in embeddings.items()}


def embed(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, about VALUES), pooled to d x d (the map's own size where that is smaller), unit length."""
    side = max(round(math.sqrt(VALUES / maps.shape[1])), 1)
    size = tuple(min(side, full) for full in maps.shape[2:])
    return normalize(adaptive_avg_pool2d(maps, size).flatten(1), dim=1)


def imprinted_accuracy(embeddings: Tensor, labels: Tensor, leave_one_out: bool = True) -> float:
    """Share of the objects whose class has the nearest weight; a class's weight is the direction of its mean embedding.

    Args:
        embeddings: (M, D) of unit length; labels: (M,) int64.
        leave_one_out: measure each object against its class without itself; one that is alone in its class counts as
            not recognised.
    """
    cosines, index, alone = imprinted_cosines(embeddings, labels, leave_one_out)
    return ((cosines.argmax(1) == index) & ~alone).double().mean().item()


def imprinted_likelihood(embeddings: Tensor, labels: Tensor, leave_one_out: bool = True) -> float:
    """Mean log-likelihood of the objects' classes, a softmax of TEMPERATURE times the cosines.

    An object that is alone in its class counts as if nothing were seen: there is no weight to compare it with.
    """
    cosines, index, alone = imprinted_cosines(embeddings, labels, leave_one_out)
    likely = (TEMPERATURE * cosines).log_softmax(1).gather(1, index[:, None])[:, 0]
    return likely.where(~alone, torch.full_like(likely, -math.log(cosines.shape[1]))).mean().item()


def imprinted_cosines(embeddings: Tensor, labels: Tensor, leave_one_out: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(M, K) cosines with the weights of the K classes, (M,) class index, (M,) whether left alone in its class."""
    classes, index = labels.to(embeddings.device).unique(return_inverse=True)
    member = one_hot(index, len(classes)).double()  # (M, K)
    embeddings = embeddings.double()
    sums = member.T @ embeddings  # (K, D): a sum has the direction of the mean
    products = embeddings @ sums.T  # (M, K)
    squares = sums.square().sum(1).expand_as(products)
    alone = torch.zeros_like(index, dtype=torch.bool)
    if leave_one_out:  # s - e in place of s: <e, s - e> = <e, s> - ||e||^2, ||s - e||^2 = ||s||^2 - 2 <e, s> + ||e||^2
        itself = member * embeddings.square().sum(1, keepdim=True)
        squares = squares - member * 2 * products + itself
        products = products - itself
        alone = member.sum(0)[index] == 1
    return products / squares.clamp(min=1e-12).sqrt(), index, alone
