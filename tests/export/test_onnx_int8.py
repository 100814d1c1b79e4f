"""Format onnx-int8: quantised where it should be, its loss measured, a bad one refused."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader
from torch import nn

from detplug.errors import UserError
from detplug.export import onnx_int8
from detplug.export.evaluate import bundle_map
from detplug.export.formats import export
from detplug.export.quantise import quantise, stem_nodes, tail_nodes
from detplug.runtime.bundle import Detector


@pytest.fixture(scope='module')
def int8(request_of, tmp_path_factory):
    return export('onnx-int8', request_of(raw=True), tmp_path_factory.mktemp('int8') / 'bundle')


def test_inner_convolutions_are_int8_per_channel_first_and_last_are_float(int8):
    model = onnx.load(int8.folder / 'model.onnx')
    made_by = {name: node for node in model.graph.node for name in node.output}
    weights = {x.name: x for x in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == 'Conv']
    quantised = [made_by[node.input[1]] for node in convs if node.input[1] in made_by]
    assert len(convs) == 6 and len(quantised) == 3  # of stem, 2 x down, mix and 2 x head: down and mix
    for node in quantised:
        weight, scale = weights[node.input[0]], weights[node.input[1]]
        assert weight.data_type == TensorProto.INT8 and list(scale.dims) == [weight.dims[0]]


def test_the_loss_of_map_in_the_manifest_is_that_of_the_two_bundles(int8, raw_bundle, drawn_config):
    figures = int8.manifest['int8']
    assert figures['map_float32'] == bundle_map(raw_bundle.folder, drawn_config)[0]
    assert figures['map_int8'] == bundle_map(int8.folder, drawn_config)[0]
    assert figures['map_loss'] == figures['map_float32'] - figures['map_int8'] and figures['images'] == 4
    assert figures['calibration_images'] == 5


def test_int8_finds_nearly_what_float_finds(int8, raw_bundle, val_images):
    for path in val_images:
        a, b = Detector(int8.folder)(path), Detector(raw_bundle.folder)(path)
        assert abs(a.scores[:5] - b.scores[:5]).max() < 0.1


def test_a_loss_above_the_limit_is_refused(reuse_raw_graph, monkeypatch, request_of, tmp_path):
    maps = iter([(0.5, 4), (0.4, 4)])
    monkeypatch.setattr(onnx_int8, 'bundle_map', lambda *args: next(maps))
    with pytest.raises(UserError, match='mAP falls from 0.500 to 0.400'):
        export('onnx-int8', replace(request_of(raw=True), max_map_loss=0.05), tmp_path / 'bundle')
    assert not any(tmp_path.iterdir())


def test_stem_and_tail_of_a_branching_graph():
    def node(kind, inputs, output):
        return onnx.helper.make_node(kind, inputs, [output], name=output)

    graph = onnx.helper.make_graph(
        [
            node('Conv', ['image', 'w'], 'stem'),
            node('Relu', ['stem'], 'act'),
            node('Conv', ['act', 'w'], 'left'),
            node('MaxPool', ['act'], 'right'),
            node('Add', ['left', 'right'], 'sum'),
            node('Conv', ['sum', 'w'], 'head'),
            node('Sigmoid', ['head'], 'scores'),
        ],
        'g',
        [],
        [],
    )
    model = onnx.helper.make_model(graph)
    assert stem_nodes(model) == {'stem', 'act', 'right'}
    assert tail_nodes(model) == {'head', 'scores'}


def test_sums_of_large_products_do_not_overflow(tmp_path):
    """Every product of the middle convolution is the largest there is; without VNNI two of them overflow 16 bits."""
    channels = 16
    net = nn.Sequential(*(nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3)))
    for layer in net:
        nn.init.constant_(layer.weight, 1 / channels)
    x = torch.ones(1, channels, 8, 8)
    target = str(tmp_path / 'float.onnx')
    torch.onnx.export(net.eval(), (x,), target, input_names=['x'], dynamo=True, verbose=False, external_data=False)
    quantise(tmp_path / 'float.onnx', tmp_path / 'int8.onnx', OneInput(x.numpy()))
    (found,) = onnxruntime.InferenceSession(tmp_path / 'int8.onnx').run(None, {'x': x.numpy()})
    np.testing.assert_allclose(found, 1.0, rtol=0.02)


class OneInput(CalibrationDataReader):
    def __init__(self, x: np.ndarray):
        self.left = [{'x': x}]

    def get_next(self) -> dict | None:
        return self.left.pop() if self.left else None
