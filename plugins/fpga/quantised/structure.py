"""What a network computes, as far as its scales are concerned: which maps share one, and what every layer reads.

A map is named: 'input', or by the module that makes it (an activation, a quantiser, a module that returns a sum). Maps
that are concatenated or read by one layer have one format; those that are added share a scale with their sum, but each
may have a zero point of its own. Pooling and upsampling keep the format.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from brevitas.nn import QuantIdentity, QuantReLU
from torch import fx, nn
from torch.nn.modules.utils import _pair

from detplug.errors import UserError

from ..integers.pooling import CURE, pool_problem
from .activation_table import KINDS, ActivationTable, least_value
from .fixed_point import zero_point
from .shared import Shared
from .trace import is_chain, is_layer, trace
from .zero_points import zero_multiples

INPUT = 'input'
ADDS = (operator.add, operator.iadd, torch.add)
ACTIVATION = f'take one of ReLU, {", ".join(kind.__name__ for kind in KINDS)}'


@dataclass(frozen=True)
class Structure:
    """Of a network.

    Attributes:
        reads: name of each layer -> the map that it reads, in order of execution.
        makes: name of each layer -> names of the activations that follow it; none where its sums are a result.
        tables: those of the activations that are no ReLU, and the smallest value of each.
        sums: names of the modules that return a sum of two maps -> these, in order of execution.
        shared: which maps share a scale.
        same: which of these have one format.
        multiples: set of maps of one format -> its zero point in multiples of the least one; 1 where none is given.
    """

    reads: dict[str, str]
    makes: dict[str, tuple[str, ...]]
    tables: dict[str, float]
    sums: Mapping[str, tuple[str, str]]
    shared: Shared
    same: Shared
    multiples: Mapping[str, int]

    @property
    def activations(self) -> tuple[str, ...]:
        """Names of all activations."""
        return tuple(dict.fromkeys(name for names in self.makes.values() for name in names))

    def least(self, name: str) -> float:
        """The smallest value after the activations whose maps share a scale with this one."""
        return min(self._tables(name), default=0.0)

    def multiple(self, name: str) -> int:
        """Of the zero point of a map, 0 where no multiples fit."""
        return self.multiples.get(self.same.of(name), 1)

    def largest_multiple(self, name: str) -> int:
        """Of the zero points of the maps that share a scale with this one."""
        group = self.shared.of(name)
        return max((x for other, x in self.multiples.items() if self.shared.of(other) == group), default=1)

    def offset(self, name: str) -> bool:
        """Whether a map, and all that it shares its scale with, is made by tables or their sums and hardly negative."""
        tables = self._tables(name)
        fits = self.shared.of(name) != self.shared.of(INPUT) and self.multiple(name) > 0
        return bool(tables) and min(tables) > -1 and fits

    def zero(self, name: str, frac: int) -> int:
        """The zero point of a map with an offset that has the scale 2 ** -frac."""
        return zero_point(self.least(name), frac, self.multiple(name))

    def signed(self, name: str) -> bool:
        """Whether a map, or one that it shares its scale with, has a sign: tables that have no zero point."""
        return bool(self._tables(name)) and not self.offset(name)

    def _tables(self, name: str) -> list[float]:
        """Smallest values of the tables whose maps share a scale with this one."""
        group = self.shared.of(name)
        return [value for table, value in self.tables.items() if self.shared.of(table) == group]


@dataclass(frozen=True)
class Value:
    """What a node holds: the exact sums of a layer, or a map."""

    layer: str | None = None
    map: str | None = None


def read_structure(network: nn.Module) -> Structure:
    """Follow ``network``: images -> maps; see :class:`Structure`.

    Raises:
        UserError: an operation that integers with one scale do not have, a layer without activation, a sum whose
            module cannot be found.
    """
    graph, returned = trace(network)
    reader = Reader(network, returned)
    for node in graph.nodes:
        if node.op != 'output':
            reader.values[node] = reader.read(node)
    reader.check_outputs(graph.output_node().all_input_nodes)
    makes = {name: tuple(found) for name, found in reader.makes.items()}
    return Structure(
        reader.reads, makes, reader.tables, reader.sums, reader.shared, reader.same, reader.zero_multiples()
    )


class Reader:
    """Goes through the nodes of a graph in their order."""

    def __init__(self, network: nn.Module, returned: dict[fx.Node, str]):
        self.network, self.returned = network, returned
        self.values: dict[fx.Node, Value] = {}
        self.reads: dict[str, str] = {}
        self.makes: dict[str, dict[str, None]] = {}
        self.tables: dict[str, float] = {}
        self.sums: dict[str, tuple[str, str]] = {}
        self.shared, self.same = Shared(), Shared()

    def read(self, node: fx.Node) -> Value:
        """The value of a node whose sources were read before."""
        if node.op == 'placeholder':
            return Value(map=INPUT)
        if node.op == 'call_module':
            return self.read_module(node, self.network.get_submodule(node.target))
        if node.target in ADDS:
            return self.read_sum(node)
        if node.target in (torch.cat, torch.concat):
            return Value(map=self.join([self.map_of(source) for source in node.all_input_nodes]))
        if node.target is F.interpolate:
            return self.kept(
                node, node.kwargs.get('mode', 'nearest') == 'nearest', 'interpolates', "give mode='nearest'"
            )
        if node.target is F.max_pool2d:
            return Value(map=self.map_of(node.all_input_nodes[0]))
        raise UserError(f'model: {node.name}: {name_of(node.target)} has no form in integers; leave it out')

    def read_module(self, node: fx.Node, module: nn.Module) -> Value:
        """A layer, an activation, a pooling."""
        name = node.target
        if is_layer(module):
            check_layer(name, module)
            source = self.map_of(node.args[0])
            self.reads[name] = self.join([source, self.reads.get(name, source)])
            self.makes.setdefault(name, {})
            return Value(layer=name)
        if isinstance(module, (nn.ReLU, QuantReLU, ActivationTable, *KINDS)):
            return self.read_activation(node, module)
        if isinstance(module, QuantIdentity):
            return Value(map=self.join([name, self.map_of(node.args[0])]))
        if isinstance(module, nn.MaxPool2d):
            check_pool(name, module)
        if isinstance(module, nn.MaxPool2d | nn.Identity | nn.Dropout):
            source = self.values[node.args[0]]
            return source if isinstance(module, nn.Identity) else Value(map=self.map_of(node.args[0]))
        if isinstance(module, nn.Upsample):
            return self.kept(node, module.mode == 'nearest', 'interpolates', "give mode='nearest'")
        raise UserError(f'model: {name}: {type(module).__name__} has no form in integers; {ACTIVATION}')

    def read_activation(self, node: fx.Node, module: nn.Module) -> Value:
        """One that follows a convolution of its own."""
        name, layer = node.target, self.values[node.args[0]].layer
        if layer is None or len(node.args[0].users) > 1:
            raise UserError(f'model: {name}: an activation that follows no convolution of its own; leave it out')
        self.makes[layer][name] = None
        if not isinstance(module, nn.ReLU | QuantReLU):
            self.tables[name] = least_value(getattr(module, 'curve', module))
        return Value(map=name)

    def read_sum(self, node: fx.Node) -> Value:
        """x + y: the module that returns it will round it."""
        sources = node.all_input_nodes
        if len(sources) != 2 and node.args[0] is not node.args[1]:
            raise UserError(f'model: {node.name}: adds a number to a map; only maps of one scale are added')
        if not self.returned.get(node):
            raise UserError(f'model: {node.name}: a sum that no module returns; make a module of it')
        name, one, other = self.returned[node], self.map_of(sources[0]), self.map_of(sources[-1])
        self.sums[name] = one, other
        self.shared.join([name, one, other])
        return Value(map=name)

    def join(self, names: Sequence[str]) -> str:
        """Give maps one format; a name for all of them."""
        self.shared.join(names)
        return self.same.join(names)

    def zero_multiples(self) -> dict[str, int]:
        """`Structure.multiples`; 0 of sets for which none fit."""
        found: dict[str, int] = {}
        for group in dict.fromkeys(map(self.shared.of, self.sums)):
            sums = {name: maps for name, maps in self.sums.items() if self.shared.of(name) == group}
            sets = {self.same.of(x) for name, maps in sums.items() for x in (name, *maps)}
            multiples = zero_multiples(sums, self.same)
            found |= dict.fromkeys(sets, 0) if multiples is None else multiples
        return found

    def kept(self, node: fx.Node, right: bool, problem: str, cure: str) -> Value:
        """The map of the source, if the operation leaves its values as they are."""
        if not right:
            raise UserError(f'model: {node.name}: {problem}; {cure}')
        return Value(map=self.map_of(node.all_input_nodes[0]))

    def map_of(self, node: fx.Node) -> str:
        """The map that a node holds.

        Raises:
            UserError: it holds the sums of a layer, after which there is no activation.
        """
        value = self.values[node]
        if value.map is None:
            raise UserError(f'model: {value.layer}: no activation after it; {ACTIVATION}')
        return value.map

    def check_outputs(self, nodes: list[fx.Node]) -> None:
        """Results are the sums of layers, each of which is used for nothing else."""
        for node in nodes:
            if self.values[node].layer is None:
                raise UserError(f'model: {node.name}: a result that no convolution makes; cut the network before it')


def check_layer(name: str, module: nn.Module) -> None:
    """Refuse what the integer network has no form for: groups, dilation, uneven strides, padding other than zeros.

    Raises:
        UserError: such a layer.
    """
    for conv in module.cores if is_chain(module) else [module]:
        even = len({*conv.stride}) == 1 and not isinstance(conv.padding, str) and len({*conv.padding}) == 1
        if conv.groups != 1 or {*conv.dilation} != {1} or not even or conv.padding_mode != 'zeros':
            raise UserError(
                f'model: {name}: groups {conv.groups}, dilation {conv.dilation}, stride {conv.stride}, padding '
                f'{conv.padding} {conv.padding_mode}; take a plain convolution with equal strides and padding by zeros'
            )


def check_pool(name: str, module: nn.MaxPool2d) -> None:
    """Refuse a pooling that the integer network does not have.

    Raises:
        UserError: such a module, see :func:`pool_problem`.
    """
    window = map(_pair, (module.kernel_size, module.stride, module.padding, module.dilation))
    if problem := pool_problem(*window, module.ceil_mode):
        raise UserError(f'model: {name}: {problem}; {CURE}')


def name_of(target: str | Callable) -> str:
    """Of an operation."""
    return target if isinstance(target, str) else getattr(target, '__name__', str(target))
