"""From a brevitas model by way of its QONNX file: the C simulation equals what qonnx computes."""

import numpy as np
import pytest
import torch
from torch import nn

from plugins.fpga.hls.build import compile_project
from plugins.fpga.hls.project import write_project
from plugins.fpga.hls.simulate import simulate

pytest.importorskip('hls4ml', reason='hls4ml is not installed: the extra [fpga]')
qnn = pytest.importorskip('brevitas.nn', reason='brevitas is not installed: the extra [fpga]')
SIDE = 8


def conv(i: int, o: int, k: int = 1, stride: int = 1) -> nn.Module:
    """int8 weights, int32 bias in units of the sum."""
    from brevitas.quant import Int8WeightPerTensorFixedPoint, Int32Bias

    quantisers = dict(weight_quant=Int8WeightPerTensorFixedPoint, bias_quant=Int32Bias)
    return qnn.QuantConv2d(i, o, k, stride, k // 2, bias=True, **quantisers)


def quantiser(kind: str, signed: bool = False) -> nn.Module:
    """uint8 or int8, power-of-two scale."""
    from brevitas.quant import Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint

    chosen = Int8ActPerTensorFixedPoint if signed else Uint8ActPerTensorFixedPoint
    return getattr(qnn, kind)(act_quant=chosen, return_quant_tensor=True)


class Tiny(nn.Module):
    """Stride 2, a residual that shares one quantiser, pooling, concat of 3, TT chain, upsampling."""

    def __init__(self):
        super().__init__()
        self.image, self.first = quantiser('QuantIdentity'), conv(3, 4, 3, 2)
        self.second, self.shared = conv(4, 4, 3), quantiser('QuantReLU')
        self.pool, self.up = nn.MaxPool2d(5, 1, 2), nn.Upsample(scale_factor=2)
        self.chain = nn.Sequential(
            conv(12, 3), quantiser('QuantIdentity', True), conv(3, 2, 3), quantiser('QuantIdentity', True), conv(2, 5)
        )
        self.relu, self.head, self.head2 = quantiser('QuantReLU'), conv(5, 6), conv(12, 6)

    def forward(self, x):
        x = self.shared(self.first(self.image(x)))
        x = self.shared(x + self.shared(self.second(x)))
        pooled = self.pool(x)
        x = torch.cat([x, pooled, self.pool(pooled)], 1)
        return self.head(self.up(self.relu(self.chain(x)))), self.head2(x)


@pytest.fixture(scope='module')
def qonnx_file(tmp_path_factory):
    """A calibrated model as a QONNX file."""
    pytest.importorskip('qonnx', reason='qonnx is not installed: the extra [fpga]')
    from plugins.fpga.qonnx.write import write_qonnx

    path = tmp_path_factory.mktemp('qonnx') / 'model.onnx'
    torch.manual_seed(0)
    model = Tiny().train()
    with torch.no_grad():
        model(torch.randint(0, 256, (8, 3, SIDE, SIDE)) / 256)
    write_qonnx(model.eval(), path, SIDE)
    return path


def test_c_simulation_equals_qonnx(gxx, qonnx_file, tmp_path):
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    project = write_project(qonnx_file, tmp_path, dsp_budget=100)
    compile_project(project)
    x = np.random.default_rng(0).integers(0, 256, (4, 3, SIDE, SIDE))
    made = simulate(project, x)
    model, name = ModelWrapper(str(qonnx_file)), project.network.input
    given = model.graph.input[0].name
    wanted = [execute_onnx(model, {given: (image[None] / 256).astype(np.float32)}) for image in x]
    order = dict(zip(project.network.outputs, (output.name for output in model.graph.output), strict=True))
    assert len(order) == 2 and name not in order
    for ours, theirs in order.items():
        values = made[ours] * 2.0 ** -project.network.formats[ours].frac
        assert len(np.unique(values)) > 100
        np.testing.assert_array_equal(values, np.concatenate([found[theirs] for found in wanted]))
