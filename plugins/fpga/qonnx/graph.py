"""The parts of an ONNX file that reading needs: nodes, constants, shapes, and refusals that name a node."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import NodeProto, helper, numpy_helper

from detplug.errors import UserError


@dataclass(frozen=True)
class Graph:
    """A file's graph.

    Attributes:
        path: of the file, for messages.
        nodes: each after the makers of what it reads.
        constants: stored tensors by name.
        shapes: of all tensors whose shape the file tells.
        inputs, outputs: names; stored tensors are no inputs.
        opset: version of the standard operators.
    """

    path: Path
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int

    def refuse(self, node: NodeProto, problem: str, cure: str) -> UserError:
        """The error that names a node."""
        return UserError(f'{self.path}: {node.name or node.output[0]} ({node.op_type}): {problem}; {cure}')

    def constant(self, node: NodeProto, place: int) -> np.ndarray:
        """The stored tensor that is input ``place`` of a node.

        Raises:
            UserError: it is missing, or computed.
        """
        if place >= len(node.input) or node.input[place] not in self.constants:
            raise self.refuse(node, f'input {place} is not a stored constant', 'export with a fixed input size')
        return self.constants[node.input[place]]

    def shape(self, node: NodeProto, name: str) -> tuple[int, ...]:
        """Of a tensor that ``node`` reads or makes.

        Raises:
            UserError: the file does not tell it.
        """
        if name not in self.shapes:
            raise self.refuse(node, f'the shape of {name} is not stored', 'run qonnx.transformation.infer_shapes')
        return self.shapes[name]


def read_graph(path: str | Path) -> Graph:
    """The graph of a file.

    Raises:
        UserError: no such file, or not an ONNX model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'{path}: no such file; give a model that --format qonnx wrote')
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        reason = (str(error).splitlines() or [''])[0]
        raise UserError(f'{path}: is not an ONNX model ({reason}); give one that --format qonnx wrote') from error
    graph = model.graph
    infos = (*graph.input, *graph.output, *graph.value_info)
    return Graph(
        path,
        tuple(graph.node),
        constants,
        {info.name: tuple(d.dim_value for d in info.type.tensor_type.shape.dim) for info in infos},
        tuple(info.name for info in graph.input if info.name not in constants),
        tuple(info.name for info in graph.output),
        next(item.version for item in model.opset_import if item.domain == ''),
    )


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes by name; text as str."""
    values = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
