"""A QONNX file executed by qonnx, node by node: onnxruntime runs standard operators, qonnx's own code Quant nodes.

qonnx's ``execute_onnx`` looks up every tensor by walking lists, and quantises the weights for every image; here that
is done once a file, which is several times faster and calls the same ``execute_node``.
"""

from pathlib import Path

import numpy as np
from onnx import GraphProto, NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_node

from .names import map_quantisers


class QonnxExecution:
    """A file that is ready to run.

    Attributes:
        calls: name of the call in torch of each map that a Quant node makes, by the map's name.
        outputs: names.
    """

    def __init__(self, path: str | Path):
        self.model = ModelWrapper(str(path))
        graph = self.model.graph
        self.calls = {node.output[0]: node.name.removesuffix('_quant') for node in map_quantisers(self.model)}
        self.outputs = tuple(item.name for item in graph.output)
        self.opsets = self.model.get_opset_imports()
        self.infos = {info.name: info for info in (*graph.input, *graph.output, *graph.value_info)}
        self.tensors = self.model.make_empty_exec_context()
        stored = {item.name for item in graph.initializer}
        self.nodes = []
        for node in graph.node:
            if stored.issuperset(node.input):
                self.execute(node, self.surroundings(node), self.tensors)
            else:
                self.nodes.append((node, self.surroundings(node)))

    def surroundings(self, node: NodeProto) -> GraphProto:
        """A graph that holds the types and shapes of what one node reads and makes, and nothing else to search."""
        names = dict.fromkeys((*node.input, *node.output))
        return helper.make_graph([], node.name, [], [], value_info=[self.infos[x] for x in names if x in self.infos])

    def execute(self, node: NodeProto, graph: GraphProto, tensors: dict[str, np.ndarray]) -> None:
        """Run one node on ``tensors``, and put what it makes there."""
        execute_node(node, tensors, graph, self.opsets[node.domain])

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """All tensors by name, of one image (1, 3, S, S) float32."""
        tensors = self.tensors | {self.model.graph.input[0].name: image}
        for node, graph in self.nodes:
            self.execute(node, graph, tensors)
        return tensors
