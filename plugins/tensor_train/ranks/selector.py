"""What a rank selection is: scores of the layers, found once, and from them the ranks of every level of size."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ..compressed import Ranks
from ..conv_layers import ConvLayer
from ..layer_moments import Moments, layer_moments

Layers = Mapping[str, ConvLayer]


@dataclass(frozen=True)
class CalibrationData:
    """What a selection may look at.

    Attributes:
        run: runs the model on images as far as its raw outputs.
        images: batches (N, 3, H, W) as ``run`` takes them.
        crops: (M, 3, s, s) objects, likewise; labels: (M,) int64 their classes.
        objects: of each of the images (M, 5) boxes xyxy, px of the image as it is here, and their classes.
    """

    run: Callable[[Tensor], object]
    images: Sequence[Tensor]
    crops: Tensor
    labels: Tensor
    objects: Sequence[Tensor] = ()
    _moments: dict[str, Moments] = field(default_factory=dict, repr=False)

    def moments(self, model: nn.Module, names: Iterable[str]) -> dict[str, Moments]:
        """Moments of the named layers over the images; each layer is looked at once."""
        missing = [name for name in names if name not in self._moments]
        if missing:
            self._moments.update(layer_moments(model, self.run, self.images, missing))
        return {name: self._moments[name] for name in names}


@dataclass(frozen=True)
class LayerCost:
    """Cost of a model: what does not change, and of each layer the dense cost or that of its chain.

    Calling it with ranks gives the whole; ``{}`` is the dense model.
    """

    fixed: float
    dense: Mapping[str, float]
    chain: Callable[[str, tuple[int, ...]], float]

    def __call__(self, ranks: Ranks) -> float:
        return self.fixed + sum(
            self.chain(name, ranks[name]) if name in ranks else cost for name, cost in self.dense.items()
        )


class RankSelector(Protocol):
    """A rank selection; a budget asks only for :meth:`ranks_at`, so that a new one needs no new look at the model."""

    def scores(self, model: nn.Module, layers: Layers, data: CalibrationData) -> Mapping[str, Any]:
        """What is found out about each layer; the report shows a number, or a number that it has as ``weight``."""

    def ranks_at(self, scores: Mapping[str, Any], layers: Layers, level: float) -> Ranks:
        """Ranks of every layer; no rank falls when ``level`` rises from 0 to 1, where all are full; at least 1."""


@runtime_checkable
class PricedSelector(Protocol):
    """A selection that weighs what a direction is worth against what it costs."""

    def priced(self, scores: Mapping[str, Any], layers: Layers, cost: LayerCost) -> Mapping[str, Any]:
        """The scores with prices in another kind of cost; asks the model nothing."""

    def loss(self, scores: Mapping[str, Any], layers: Layers, ranks: Ranks) -> float:
        """What the model loses with these ranks, by the selection's own measure."""


def ranks_of_shares(layers: Layers, shares: Mapping[str, float]) -> Ranks:
    """Ranks that are each layer's share (0 to 1) of its full ranks, rounded, at least 1."""
    return {
        name: tuple(min(max(round(shares[name] * full), 1), full) for full in layer.max_ranks)
        for name, layer in layers.items()
    }
