"""ONNX nodes of a layer -> operations on integers; everything that hardware here does not do is refused."""

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto

from ..integers.integer_network import Concat, Conv, Format, MaxPool, Upsample
from ..integers.pooling import CURE, pool_problem
from .graph import Graph, attributes
from .quantisers import quantiser


def read_conv(graph: Graph, node: NodeProto, makers: Mapping[str, NodeProto], source: str, frac: int) -> Conv:
    """A convolution of the map ``source`` with ``frac``; its name and its output's format are still open.

    Args:
        makers: the node that makes each tensor.

    Raises:
        UserError: groups, dilation, uneven padding or strides; weight or bias that are not stored int8 or int32.
    """
    said = attributes(node)
    weight, weight_frac = stored_integers(graph, node, 1, makers, bits=8)
    stride, padding = said.get('strides', [1, 1]), said.get('pads', [0] * 4)
    if said.get('group', 1) != 1 or set(said.get('dilations', [1])) != {1}:
        raise graph.refuse(node, 'groups or dilation', 'use plain convolutions')
    if weight.ndim != 4 or len(set(stride)) > 1 or len(set(padding)) > 1 or said.get('auto_pad', 'NOTSET') != 'NOTSET':
        raise graph.refuse(node, f'strides {stride}, pads {padding}', 'use one stride and one padding for all sides')
    bias = np.zeros(len(weight), np.int32)
    if len(node.input) > 2 and node.input[2]:
        bias, bias_frac = stored_integers(graph, node, 2, makers, bits=32)
        units, sums = np.broadcast_arrays(bias_frac, frac + np.broadcast_to(weight_frac, len(weight)))
        if wrong := np.flatnonzero(units != sums).tolist():
            problem = f'bias in units of 2 ** -{units[wrong[0]]} where the sum has 2 ** -{sums[wrong[0]]}'
            raise graph.refuse(node, problem, 'use Int32Bias of brevitas')
    return Conv(
        '', (source,), weight.astype(np.int8), weight_frac, bias.astype(np.int32), int(stride[0]), int(padding[0])
    )


def stored_integers(
    graph: Graph, node: NodeProto, place: int, makers: Mapping[str, NodeProto], bits: int
) -> tuple[np.ndarray, int | np.ndarray]:
    """Integers (O, ...), and their frac, one or (O,), of a stored tensor that a Quant node rounds.

    Args:
        place: of the tensor among the inputs of ``node``.

    Raises:
        UserError: it is not quantised, or otherwise than :func:`quantiser` takes.
    """
    maker = makers.get(node.input[place])
    if maker is None or maker.op_type != 'Quant':
        what = 'weight' if place == 1 else 'bias'
        raise graph.refuse(node, f'its {what} is not quantised', f'give the layer a {what} quantiser')
    values = graph.constant(maker, 0)
    read = quantiser(graph, maker, bits, signed=True, channels=len(values))
    return read.integers(values), read.frac


def read_max_pool(graph: Graph, node: NodeProto, source: str) -> MaxPool:
    """A pool that keeps the size, or halves it.

    Raises:
        UserError: any other, see :func:`pool_problem`.
    """
    said = attributes(node)
    kernel, strides, pads = said['kernel_shape'], said.get('strides', [1]), said.get('pads', [0] * 4)
    if problem := pool_problem(kernel, strides, pads, said.get('dilations', [1]), said.get('ceil_mode', 0)):
        raise graph.refuse(node, problem, CURE)
    return MaxPool(node.output[0], (source,), int(kernel[0]), int(strides[0]), int(pads[0]))


def read_upsample(graph: Graph, node: NodeProto, source: str) -> Upsample:
    """Every pixel several times.

    Raises:
        UserError: interpolation, a factor that is not whole or not the same in both directions.
    """
    said = attributes(node)
    rule = said.get('mode'), said.get('coordinate_transformation_mode'), said.get('nearest_mode')
    before, after = graph.shape(node, node.input[0]), graph.shape(node, node.output[0])
    factor = after[2] // before[2]
    if rule != ('nearest', 'asymmetric', 'floor') or after != (*before[:2], before[2] * factor, before[3] * factor):
        raise graph.refuse(node, f'{before} -> {after}, mode {rule[0]}', "use nn.Upsample(scale_factor=2, 'nearest')")
    return Upsample(node.output[0], (source,), factor)


def read_concat(graph: Graph, node: NodeProto, sources: tuple[str, ...]) -> Concat:
    """The channels of several maps.

    Raises:
        UserError: another axis.
    """
    if attributes(node)['axis'] not in (1, -3):
        raise graph.refuse(node, f'axis {attributes(node)["axis"]}', 'concatenate channels, axis 1')
    return Concat(node.output[0], sources)


def one_format(graph: Graph, node: NodeProto, formats: list[Format]) -> Format:
    """The format that all maps have which a node reads.

    Raises:
        UserError: several.
    """
    if len(set(formats)) > 1:
        scales = ', '.join(f'2 ** -{x.frac} {"" if x.signed else "un"}signed' for x in formats)
        raise graph.refuse(node, f'its sources have several scales: {scales}', 'give them one shared quantiser')
    return formats[0]
