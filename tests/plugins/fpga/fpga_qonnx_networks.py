"""Small brevitas networks with power-of-two scales, calibrated on random images."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed: brevitas')
pytest.importorskip('qonnx', reason='the extra [fpga] is not installed: qonnx')

import brevitas.nn as qnn  # noqa: E402
from brevitas.inject.enum import ScalingImplType  # noqa: E402
from brevitas.quant import (  # noqa: E402
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
)

SIDE = 12


class ImageQuantiser(Uint8ActPerTensorFixedPoint):
    """0..1 in steps of 1 / 256."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 1.0


def image_quantiser():
    return qnn.QuantIdentity(act_quant=ImageQuantiser, return_quant_tensor=True)


def relu():
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, return_quant_tensor=True)


def signed():
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True)


def conv(inputs, outputs, kernel, stride=1, padding=None, bias=True, last=False, **settings):
    """A convolution with int8 weights; the last one of a network gives plain tensors."""
    return qnn.QuantConv2d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=kernel // 2 if padding is None else padding,
        bias=bias,
        bias_quant=Int32Bias if bias else None,
        return_quant_tensor=not last,
        **dict(weight_quant=Int8WeightPerTensorFixedPoint) | settings,
    )


class Detector(nn.Module):
    """All operators: stem 6x6 stride 2, signed chain, shared quantiser at the sum, pools, concat, upsample, two heads.

    Args:
        pool: modules of one 5x5 pooling.
        down: kernel, stride and padding of a pooling behind the stem.
    """

    def __init__(self, pool=(5,), down=None):
        super().__init__()
        self.image = image_quantiser()
        self.stem = nn.Sequential(conv(3, 8, 6, stride=2, padding=2), relu())
        if down is not None:
            self.stem.append(nn.MaxPool2d(*down))
        self.chain = nn.Sequential(conv(8, 4, 1, bias=False), signed(), conv(4, 4, 3, bias=False), signed())
        self.widen = conv(4, 8, 1)
        self.act = relu()
        self.square = conv(8, 8, 1)
        self.total = relu()
        self.pool = nn.Sequential(*(nn.MaxPool2d(kernel, 1, kernel // 2) for kernel in pool))
        self.down = nn.Sequential(conv(16, 8, 3, stride=2), relu())
        self.up = nn.Upsample(scale_factor=2, mode='nearest')
        self.heads = nn.ModuleList([conv(8, 5, 1, last=True), conv(8, 6, 1, last=True)])

    def forward(self, images):
        x = self.stem(self.image(images))
        x = self.act(self.square(self.act(self.widen(self.chain(x)))))
        x = self.total(x + self.act(self.square(x)))
        pooled = self.pool(x)
        deep = self.down(torch.cat([x, pooled], 1))
        return self.heads[0](self.up(deep)), self.heads[1](deep)


def calibrated(build, seed=0):
    """A network in eval mode, with scales from random images and biases that matter."""
    torch.manual_seed(seed)
    network = build()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(2)
        for _ in range(2):
            network.train()(torch.rand(4, 3, SIDE, SIDE))
    return network.eval()


def images(count=3, seed=1):
    """(count, 3, SIDE, SIDE) float32, pixels / 255; all values of a pixel are likely."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE))
    return (pixels / np.float32(255)).astype(np.float32)
