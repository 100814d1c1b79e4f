"""What a detector costs, counted layer by layer: the kinds of budgets. Plugins add kinds to the registry.

A cost model says what every convolution costs as it is and what it would cost as other convolutions, so that whatever
changes layers can be priced before anything is built::

    @register_cost_model('cycles')
    def cycles(request: CostRequest) -> CostModel: ...
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from mmengine.config import Config
from torch import nn

from detplug.entry_points import load_plugin, plugins
from detplug.errors import UserError
from detplug.named_parts import NamedParts

Size = tuple[int, int]


@dataclass(frozen=True)
class ConvShape:
    """One convolution in one call, of one image; sizes are (height, width)."""

    in_channels: int
    out_channels: int
    kernel_size: Size
    stride: Size
    in_hw: Size
    out_hw: Size
    groups: int = 1

    @property
    def params(self) -> int:
        """Of the kernel; a bias does not count."""
        return self.out_channels * self.in_channels // self.groups * prod(self.kernel_size)

    @property
    def macs(self) -> int:
        """Multiply-accumulates: the kernel at every position of the output."""
        return self.params * prod(self.out_hw)


Calls = Sequence[Sequence[ConvShape]]  # what a layer runs at each of its calls in a forward pass


@dataclass(frozen=True)
class CostRequest:
    """What a cost model works from.

    Attributes:
        model: detector in eval mode, all its layers as they were before any change.
        cfg: the whole config; empty where there is none.
        side: of the square input, pixels.
        convs: name -> the calls of every convolution that runs.
        layers: names of those that may change.
        threads: of the deployment.
    """

    model: nn.Module
    cfg: Config
    side: int
    convs: Mapping[str, Sequence[ConvShape]]
    layers: Collection[str]
    threads: int = 1

    @property
    def changing(self) -> dict[str, Calls]:
        """The layers that may change, as they are."""
        return {name: [[call] for call in self.convs[name]] for name in self.layers}


@dataclass(frozen=True)
class CostModel:
    """Cost of one image.

    Attributes:
        fixed: of all that does not change.
        dense: of each layer that may change, as it is.
        layer: (name, calls) -> of that layer as these convolutions; never less for a convolution of more channels.
    """

    fixed: float
    dense: Mapping[str, float]
    layer: Callable[[str, Calls], float]


MakeCostModel = Callable[[CostRequest], CostModel]
COST_MODELS: NamedParts[MakeCostModel] = NamedParts('--budget-kind ', 'kind')


def register_cost_model(kind: str) -> Callable[[MakeCostModel], MakeCostModel]:
    """Decorator that adds a kind of budget.

    Raises:
        KeyError: the kind is taken by another function.
    """
    return COST_MODELS.adder(kind)


def cost_model(kind: str) -> MakeCostModel:
    """The cost model of a kind; the plugin that counts it is imported where none that is imported does.

    Raises:
        UserError: no plugin counts it, or the plugin does not import.
    """
    for point in plugins() if kind not in COST_MODELS else ():
        load_plugin(point.name)
        if kind in COST_MODELS:
            break
    return COST_MODELS.find(kind)


@register_cost_model('params')
def params(request: CostRequest) -> CostModel:
    """Parameters of the whole model; a layer that is called several times counts once."""
    whole = sum(x.numel() for x in request.model.parameters())
    return _counted(request, whole, lambda name, calls: sum(conv.params for conv in calls[0]) if calls else 0)


@register_cost_model('bytes')
def int8_bytes(request: CostRequest) -> CostModel:
    """Bytes of the weights in int8: one a value of a kernel, four of everything else that is learned."""
    whole = sum(x.numel() * (1 if x.dim() > 1 else 4) for x in request.model.parameters())
    return _counted(request, whole, lambda name, calls: sum(conv.params for conv in calls[0]) if calls else 0)


@register_cost_model('macs')
def macs(request: CostRequest) -> CostModel:
    """Multiply-accumulates of the convolutions."""
    whole = sum(conv.macs for calls in request.convs.values() for conv in calls)
    return _counted(request, whole, lambda name, calls: sum(conv.macs for call in calls for conv in call))


def _counted(request: CostRequest, whole: float, layer: Callable[[str, Calls], float]) -> CostModel:
    dense = {name: layer(name, calls) for name, calls in request.changing.items()}
    return CostModel(whole - sum(dense.values()), dense, layer)


def parse_budget(text: str) -> float | dict[str, float]:
    """``0.25``, or several kinds at once: ``params=0.25,macs=0.5``.

    Raises:
        UserError: a share that is no number, or a kind twice.
    """
    shares: dict[str, float] = {}
    for part in text.split(','):
        kind, _, share = part.rpartition('=')
        if kind in shares:
            raise UserError(
                f'--budget {text}: {kind or "a share"} twice; write each kind once, as params=0.25,macs=0.5'
            )
        try:
            shares[kind] = float(share)
        except ValueError:
            raise UserError(f'--budget {text}: {share!r} is no number; write 0.25, or params=0.25,macs=0.5') from None
    if '' not in shares:
        return shares
    if len(shares) > 1:
        raise UserError(f'--budget {text}: a share without its kind; write params=0.25,macs=0.5')
    return shares['']
