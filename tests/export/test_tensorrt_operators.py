"""Exported graphs hold what TensorRT's parser takes, by its own table; see tensorrt_operators.py for what that says."""

import onnx
import pytest
from onnx import TensorProto, helper
from tensorrt_operators import refusals


@pytest.mark.parametrize('name', ['bundle', 'raw_bundle', 'pipeline_bundle'])
def test_a_graph_has_no_operator_that_tensorrt_refuses(request, name):
    folder = request.getfixturevalue(name).folder
    assert refusals(onnx.load(folder / 'model.onnx')) == []


def test_what_it_refuses_is_seen():
    nodes = [
        helper.make_node('Shape', ['x'], ['k'], name='shape'),
        helper.make_node('TopK', ['x', 'k'], ['best', 'row'], name='computed'),
        helper.make_node('TopK', ['x', 'large'], ['more', 'rows'], name='too many'),
        helper.make_node('Compress', ['x', 'flags'], ['some'], name='compress', axis=0),
    ]
    inputs = [helper.make_tensor_value_info('x', TensorProto.FLOAT, [9000])]
    large = helper.make_tensor('large', TensorProto.INT64, [1], [3841])
    graph = helper.make_graph(nodes, 'g', inputs, [], [large])
    lines = refusals(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 21)]))
    assert [line.partition(':')[0] for line in lines] == ['opset 21', 'computed', 'too many', 'compress']
