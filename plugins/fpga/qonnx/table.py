"""An activation by a table in a QONNX file: the integers of a map, plus half of the table, pick a stored value.

Nodes of the standard alone, Mul, Add, Cast and Gather, so that whatever executes the file picks the same numbers. Ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..hardware.limits import INDEX_BITS
from ..integers.number_format import Format, Table
from .graph import Graph, attributes

INDEX = ('Cast', 'Add', 'Mul')  # that make the index, from the last one
CURE = f'use a table of 2 ** bits values for signed integers of 8 to {INDEX_BITS} bits'


@dataclass(frozen=True)
class LookUp:
    """A Gather node of such a table.

    Attributes:
        source: tensor that is looked up.
        factor: that makes integers of it.
        values: (2 ** bits,) of the result.
    """

    node: NodeProto
    source: str
    factor: float
    values: np.ndarray

    def table(self, graph: Graph, source: Format, out: Format) -> Table:
        """For a map of the format ``source`` whose result a Quant node rounds to ``out``.

        Raises:
            UserError: a map that has a sign, this factor and as many bits as the table.
        """
        if not source.signed or 2.0**source.frac != self.factor or len(self.values) != 1 << source.bits:
            problem = f'looks up {source} as integers times {self.factor:g} in {len(self.values)} values'
            raise graph.refuse(self.node, problem, CURE)
        q = np.clip(np.rint(self.values.astype(np.float64) * 2.0**out.frac) + out.zero, out.low, out.high)
        return Table(source, q.astype(np.int64))


def read_look_up(graph: Graph, node: NodeProto, makers: Mapping[str, NodeProto]) -> LookUp:
    """Of a Gather node.

    Raises:
        UserError: another index, another table.
    """
    values, name, constants = graph.constant(node, 0), node.input[1], {}
    for kind in INDEX:
        maker = makers.get(name)
        if maker is None or maker.op_type != kind:
            raise graph.refuse(node, f'its index is not made by {", ".join(reversed(INDEX))}', CURE)
        constants[kind], name = maker, maker.input[0]
    offset, factor = (graph.constant(constants[kind], 1) for kind in ('Add', 'Mul'))
    plain = values.ndim == 1 and attributes(node).get('axis', 0) == 0 and offset.size == 1
    if not plain or 2 * offset.item() != len(values):
        raise graph.refuse(node, f'a table of shape {values.shape}, its index plus {offset.flat[0]:g}', CURE)
    return LookUp(node, name, float(factor.item()), values)
