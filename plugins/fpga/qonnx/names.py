"""Names of tensors in a QONNX file: a map has the name of the layer whose convolution makes it.

``images`` is the input in floats, ``pixels`` its integers, ``level0``, ``level1``, ... are the outputs. The node of
a quantiser has the name of its call in torch, so that its map can be compared with torch's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper

PIXELS = 'pixels'


def identifier(path: str) -> str:
    """A name that C++ takes, of the path of a module: ``neck.merge.0.conv`` -> ``neck_merge_0_conv``."""
    name = re.sub(r'\W', '_', path)
    return name if re.match(r'[A-Za-z]', name) else f'layer_{name}'


def numbered(names: Iterable[str]) -> list[str]:
    """The same names; one that comes again gets its number: a, a_2, a_3."""
    seen, found = Counter(), []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f'{name}_{seen[name]}')
    return found


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


def rename(model: ModelWrapper, layers: Sequence[str], calls: Sequence[str], inputs: str, outputs: Sequence[str]):
    """Name nodes and tensors of a cleaned model, in place.

    Args:
        layers: of each Conv node.
        calls: of each quantiser of a map.
        inputs, outputs: of the graph.
    """
    given = [model.graph.input[0].name, *(x.name for x in model.graph.output)]
    for old, new in zip(given, [inputs, *outputs], strict=True):
        model.rename_tensor(old, new)
    for node, call in zip(map_quantisers(model), calls, strict=True):
        node.name = f'{call}_quant'
    for node, layer in zip(model.get_nodes_by_op_type('Conv'), layers, strict=True):
        node.name = layer
    for node in model.graph.node:
        if node.op_type not in ('Quant', 'Relu'):
            made = rounding(model, node).output[0]
            if made not in outputs:
                model.rename_tensor(made, node.name)
    model.rename_tensor(model.find_consumers(inputs)[0].output[0], PIXELS)


def rounding(model: ModelWrapper, node: NodeProto) -> NodeProto:
    """The Quant node that alone rounds what ``node`` makes, directly or after a Relu; without one ``node`` itself."""
    after = model.find_consumers(node.output[0])
    if len(after) == 1 and after[0].op_type == 'Relu':
        after = model.find_consumers(after[0].output[0])
    return after[0] if len(after) == 1 and after[0].op_type == 'Quant' else node
