"""An integer network as an ONNX graph that hls4ml's ONNX front end reads: channels last, one node a map.

Weights are the values w * 2 ** -frac, exact in float32; how many bits each number has is said in the configuration
(see number_types.py), so that the graph needs no Quant nodes. Operators that the front end lacks get a name of their
own (see layers.py). hls4ml concatenates pairs, so a Concat of more sources becomes a chain. Ours.
"""

import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from detplug.errors import UserError

from ..integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Op, Upsample
from ..integers.map_shapes import Shape, map_shapes
from .number_types import one_scale

CHANNELS_LAST = 'qonnx.custom_op.channels_last'
POOL, UPSAMPLE = 'PaddedMaxPool', 'NearestUpsample'


def node_name(name: str) -> str:
    """A name that C++ and hls4ml take, of a map's name; different names must stay different."""
    return 'map_' + re.sub(r'\W', '_', name)


def onnx_graph(network: IntegerNetwork) -> onnx.ModelProto:
    """The graph, with shapes (1, H, W, C) of all maps; the nodes stand in the order of ``network.ops``."""
    shapes = map_shapes(network)
    names = [node_name(name) for name in shapes]
    if len(set(names)) < len(names):
        raise ValueError(f'names of maps that differ only in special characters: {sorted(shapes)}')
    nodes, weights, extra = [], [], {}
    for op in network.ops:
        if isinstance(op, Concat):
            made, partial = concat_pairs(op, shapes)
            extra |= partial
        else:
            made, constants = op_node(op, network.formats[op.sources[0]])
            weights += [numpy_helper.from_array(array, name) for name, array in constants.items()]
        nodes += made
    infos = {node_name(name): value_info(node_name(name), shape) for name, shape in shapes.items()}
    source = infos.pop(node_name(network.input))
    outputs = [infos.pop(node_name(name)) for name in network.outputs]
    constants = [helper.make_tensor_value_info(w.name, TensorProto.FLOAT, w.dims) for w in weights]
    partial = [value_info(name, shape) for name, shape in extra.items()]
    graph = helper.make_graph(
        nodes, 'network', [source], outputs, weights, value_info=[*infos.values(), *partial, *constants]
    )
    opsets = [helper.make_opsetid('', 20), helper.make_opsetid(CHANNELS_LAST, 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def value_info(name: str, shape: Shape) -> onnx.ValueInfoProto:
    """Of a map (C, H, W)."""
    channels, height, width = shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, height, width, channels])


def op_node(op: Op, source: Format) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """The node of an operation on maps of the format ``source``, and its constants by name.

    Raises:
        UserError: an operation that hls4ml has no form for, see :func:`hls_problem`.
    """
    if problem := hls_problem(op):
        raise UserError(f'{problem}; take another one, or leave the project out')
    name, sources = node_name(op.name), [node_name(source) for source in op.sources]
    match op:
        case Conv():
            return conv_node(op, source.frac)
        case MaxPool():
            return [helper.make_node(POOL, sources, [name], name, kernel=op.kernel)], {}
        case Upsample():
            return [helper.make_node(UPSAMPLE, sources, [name], name, factor=op.factor)], {}
        case Add():
            return [helper.make_node('Add', sources, [name], name)], {}
    raise TypeError(f'{op.name}: no node for {type(op).__name__}')


def hls_problem(op: Op) -> str:
    """Why hls4ml has no form for an operation; '' where it has one."""
    if isinstance(op, Conv) and op.table is not None:
        return f'{op.name}: an activation by a table has no form in hls4ml'
    if isinstance(op, MaxPool) and op.stride > 1:
        return f'{op.name}: a pooling with stride {op.stride} has no form in hls4ml here'
    return ''


def conv_node(op: Conv, frac: int) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Of a convolution of a map with ``frac``: weight (O, kh, kw, I) float32, bias (O,) float64, both exact."""
    name, op = node_name(op.name), one_scale(op)
    constants = {
        f'{name}_weight': (op.weight.transpose(0, 2, 3, 1) * 2.0**-op.weight_frac).astype(np.float32),
        f'{name}_bias': op.bias * 2.0 ** -(frac + op.weight_frac),
    }
    node = helper.make_node(
        'Conv',
        [node_name(op.sources[0]), *constants],
        [name],
        name,
        domain=CHANNELS_LAST,
        kernel_shape=op.weight.shape[2:],
        strides=[op.stride] * 2,
        pads=[op.padding] * 4,
        dilations=[1, 1],
        group=1,
    )
    return [node], constants


def concat_pairs(op: Concat, shapes: dict[str, Shape]) -> tuple[list[onnx.NodeProto], dict[str, Shape]]:
    """Nodes that join the sources one after the other, and the sizes of the maps between."""
    nodes, partial, joined = [], {}, node_name(op.sources[0])
    channels, height, width = shapes[op.sources[0]]
    for number, source in enumerate(op.sources[1:], start=2):
        last = number == len(op.sources)
        name = node_name(op.name) if last else f'{node_name(op.name)}_first{number}'
        nodes.append(helper.make_node('Concat', [joined, node_name(source)], [name], name, axis=3))
        channels += shapes[source][0]
        joined, partial = name, partial if last else partial | {name: (channels, height, width)}
    return nodes, partial
