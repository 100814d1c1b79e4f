"""The layers of a torch detector, whether quantised or not: its integer network with weights that are all zero. Ours.

What is between convolutions is taken as the accelerator runs it: batch norms are part of the convolution before them,
ReLU is rounding to unsigned numbers, other activations are tables.
"""

import operator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.modules.utils import _pair

from detplug.errors import UserError

from ..extra import needs_extra
from ..hardware.limits import INDEX_BITS
from ..integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Op, Upsample
from ..integers.number_format import Table
from ..integers.pooling import pool_problem
from ..integers.tt_kernel import TTKernel
from .layers import Layer, layers_of

MAP = Format(0, signed=False)
INDEX = Format(0, signed=True, bits=INDEX_BITS)
TABLE = Table(INDEX, np.zeros(1 << INDEX_BITS, np.int64))
KEPT = (nn.BatchNorm2d, nn.Identity, nn.Dropout)


def layers_of_model(detector: nn.Module, side: int, n: int = 16) -> list[Layer]:
    """Layers from the image to the raw maps of the head, for square images of ``side`` pixels.

    Tensor-Train layers are modules with ``cores``; see `layers_of` for ``n``.

    Raises:
        UserError: as `network_of_model` and `layers_of`.
    """
    return layers_of(network_of_model(detector, side), n)


def network_of_model(detector: nn.Module, side: int) -> IntegerNetwork:
    """A network of the detector's shapes and ranks; weights, biases and shifts are zero and take no memory.

    Raises:
        UserError: the extra [fpga] is missing, or an operation that the integer network does not have.
    """
    with needs_extra():
        from ..quantised.activation_table import KINDS, ActivationTable
        from ..quantised.raw_network import RawNetwork
        from ..quantised.trace import trace
    network = RawNetwork(detector)
    graph, _ = trace(network)
    reader = Reader(network, (ActivationTable, *KINDS))
    for node in graph.nodes:
        reader.read(node)
    return IntegerNetwork(reader.input, MAP, (3, side, side), tuple(reader.ops), reader.outputs)


class Reader:
    """Goes through the nodes of a graph; ``names`` says which map each node holds, ``tables`` which modules are one."""

    def __init__(self, network: nn.Module, tables: tuple[type, ...]):
        self.network, self.tables = network, tables
        self.input = ''
        self.ops: list[Op] = []
        self.outputs: tuple[str, ...] = ()
        self.names: dict[fx.Node, str] = {}

    def read(self, node: fx.Node) -> None:
        """One node whose sources were read before."""
        if node.op == 'placeholder':
            self.input = self.names[node] = node.name
        elif node.op == 'output':
            self.outputs = tuple(self.names[source] for source in node.all_input_nodes)
        else:
            make = self.module(node) if node.op == 'call_module' else function(node)
            sources = tuple(self.names[source] for source in read_by(node))
            self.names[node] = sources[0] if make is None else self.add(node, make, sources)

    def add(self, node: fx.Node, make, sources: tuple[str, ...]) -> str:
        """Append an operation; the name of its map."""
        name = node.target if node.op == 'call_module' else node.name
        if any(op.name == name for op in self.ops):
            name = node.name  # a module that runs twice
        self.ops.append(make(name, sources))
        return name

    def add_table(self, name: str) -> None:
        """The convolution that makes a map looks it up."""
        self.ops = [replace(op, table=TABLE) if op.name == name and isinstance(op, Conv) else op for op in self.ops]

    def module(self, node: fx.Node):
        """What makes the operation of a module; None where the map stays as it is."""
        module = self.network.get_submodule(node.target)
        if hasattr(module, 'cores') or isinstance(module, nn.Conv2d):
            is_output = any(user.op == 'output' for user in node.users)
            return partial(conv, module=module, out=None if is_output else MAP)
        if isinstance(module, nn.MaxPool2d):
            return pool(node, module)
        if isinstance(module, nn.Upsample):
            return upsample(node, module.scale_factor)
        place = type(module).__module__
        if isinstance(module, self.tables):
            self.add_table(self.names[node.args[0]])
            return None
        if isinstance(module, KEPT) or place.startswith(('torch.nn.modules.activation', 'brevitas.nn')):
            return None
        raise refusal(node, type(module).__name__)


def read_by(node: fx.Node) -> list[fx.Node]:
    """The nodes that a node reads, one that it reads twice twice."""
    nodes: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), nodes.append)
    return nodes


def function(node: fx.Node):
    """What makes the operation of a function; None where the map stays as it is."""
    if node.target in (operator.add, operator.iadd, torch.add):
        return partial(Add, out=MAP)
    if node.target in (torch.cat, torch.concat):
        return Concat
    if node.target is F.interpolate:
        return upsample(node, node.kwargs.get('scale_factor'))
    raise refusal(node, getattr(node.target, '__name__', str(node.target)))


def conv(name: str, sources: tuple[str, ...], module: nn.Module, out: Format | None) -> Conv:
    """A convolution of zeros in the shape of a layer, with cores of zeros where it has cores."""
    cores = getattr(module, 'cores', None)
    place = module if cores is None else cores[len(cores) - 2]
    into, outs = (module, module) if cores is None else (cores[0], cores[-1])
    weight = zeros(outs.out_channels, into.in_channels, *_pair(place.kernel_size))
    kernel = None
    if cores is not None:
        kernels = [zeros(*core.weight.shape) for core in cores]
        first, last = kernels[0][:, :, 0, 0], kernels[-1][:, :, 0, 0]
        kernel = TTKernel(first, kernels[1] if len(kernels) == 3 else None, last, 0, 0)
    stride, padding = (_pair(x)[0] for x in (place.stride, place.padding))
    return Conv(name, sources, weight, 0, np.zeros(len(weight), np.int32), stride, padding, out, kernel)


def zeros(*shape: int) -> np.ndarray:
    """int8 zeros of one byte."""
    return np.broadcast_to(np.int8(0), shape)


def pool(node: fx.Node, module: nn.MaxPool2d):
    """The maker of a pooling, see :func:`pool_problem`."""
    window = [_pair(x) for x in (module.kernel_size, module.stride, module.padding, module.dilation)]
    if problem := pool_problem(*window, module.ceil_mode):
        raise refusal(node, problem)
    kernel, stride, padding, _ = (sizes[0] for sizes in window)
    return partial(MaxPool, kernel=kernel, stride=stride, padding=padding)


def upsample(node: fx.Node, factor):
    """The maker of an upsampling by a whole number."""
    if factor is None or _pair(factor)[0] != int(_pair(factor)[0]):
        raise refusal(node, 'an interpolation that is not by a whole number')
    return partial(Upsample, factor=int(_pair(factor)[0]))


def refusal(node: fx.Node, what: str) -> UserError:
    """The error of an operation without a form in integers."""
    return UserError(f'model: {node.name}: {what} has no form in integers; leave it out')
