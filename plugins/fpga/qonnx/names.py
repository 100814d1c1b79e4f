"""Names of tensors in a QONNX file: a map has the name of the layer whose convolution makes it.

``images`` is the input in floats, ``pixels`` its integers, ``level0``, ``level1``, ... are the outputs. The node of
a quantiser has the name of its call in torch, so that its map can be compared with torch's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from onnx import GraphProto, NodeProto
from qonnx.core.modelwrapper import ModelWrapper

PIXELS = 'pixels'
LOOK_UP = ('Mul', 'Add', 'Cast', 'Gather')  # nodes of a table, see table.py


def identifier(path: str) -> str:
    """A name that C++ takes, of the path of a module: ``neck.merge.0.conv`` -> ``neck_merge_0_conv``."""
    name = re.sub(r'\W', '_', path)
    return name if re.match(r'[A-Za-z]', name) else f'layer_{name}'


def numbered(names: Iterable[str]) -> list[str]:
    """The same names; one that comes again gets its number: a, a_2, a_3."""
    seen, unique = Counter(), []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f'{name}_{seen[name]}')
    return unique


def scope(node: NodeProto) -> str:
    """Path of the torch module that made a node, from the name torch's exporter gave: ``/a/a.0/Conv`` -> ``a.0``."""
    path: list[str] = []
    for part in node.name.strip('/').split('/')[:-1]:
        if path and part.startswith(f'{path[-1]}.'):
            path[-1] = part  # a child of a Sequential tells its parent's name again
        else:
            path.append(part)
    return '.'.join(path)


def map_quantisers(model: ModelWrapper) -> list[NodeProto]:
    """Quant nodes of maps, in the order in which they run; those of weights and biases are left out."""
    stored = {item.name for item in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type == 'Quant' and node.input[0] not in stored]


def rename(
    model: ModelWrapper, layers: Sequence[str], calls: Sequence[str], inputs: str, outputs: Sequence[str]
) -> None:
    """Name nodes and tensors of a cleaned model, in place.

    Args:
        layers: of each Conv node.
        calls: of each quantiser of a map.
        inputs, outputs: of the graph.
    """
    graph = model.graph
    for node, call in zip(map_quantisers(model), calls, strict=True):
        node.name = f'{call}_quant'
    others = [node.name for node in graph.node if node.op_type != 'Conv']
    taken = [inputs, PIXELS, *outputs, *others]
    unique = numbered([*taken, *layers])[len(taken) :]
    for node, layer in zip((node for node in graph.node if node.op_type == 'Conv'), unique, strict=True):
        node.name = layer
    set_tensor_names(graph, tensor_names(graph, inputs, outputs))


def tensor_names(graph: GraphProto, inputs: str, outputs: Sequence[str]) -> dict[str, str]:
    """New names of all tensors, by the old ones: those of the graph, then the maps', then the rest, after nodes."""
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for source in node.input:
            readers.setdefault(source, []).append(node)
    given = graph.input[0].name
    names = {given: inputs} | {info.name: name for info, name in zip(graph.output, outputs, strict=True)}
    names.setdefault(readers[given][0].output[0], PIXELS)
    for node in graph.node:
        if node.op_type not in ('Quant', 'Relu'):
            names.setdefault(rounding(readers, node).output[0], node.name)
    for node in graph.node:
        for place, source in enumerate(node.input):
            names.setdefault(source, f'{node.name}_in{place}' if source else '')
        names.setdefault(node.output[0], f'{node.name}_out')
    return names


def rounding(readers: Mapping[str, Sequence[NodeProto]], node: NodeProto) -> NodeProto:
    """The Quant node that alone rounds what ``node`` makes, directly or after an activation; else ``node`` itself."""
    after = readers.get(node.output[0], ())
    if len(after) == 1 and after[0].op_type == 'Relu':
        after = readers.get(after[0].output[0], ())
    if len(after) != 1 or after[0].op_type != 'Quant':
        return node
    gather = after[0]
    for kind in LOOK_UP:
        following = readers.get(gather.output[0], ())
        if len(following) != 1 or following[0].op_type != kind:
            return after[0]
        gather = following[0]
    return rounding(readers, gather)


def set_tensor_names(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Replace the names of tensors everywhere, in place, and sort what is stored: qonnx's own order is random."""
    for node in graph.node:
        node.input[:] = [names[source] for source in node.input]
        node.output[:] = [names[made] for made in node.output]
    for item in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.name = names[item.name]
    del graph.quantization_annotation[:]  # they say float32 of each tensor, by its old name
    for items in (graph.value_info, graph.initializer):
        ordered = sorted(items, key=lambda item: item.name)
        del items[:]
        items.extend(ordered)
