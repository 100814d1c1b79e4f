"""Measured times of layers on this machine, as a budget.

Of every shape of layer the dense form and chains at some shares of the full ranks are timed in torch on one thread;
between them time is linear in the multiply-accumulates of the chain, which holds for any two ranks of a layer.
"""

import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ..conv_layers import ConvLayer
from ..tt_conv import TTConv2d
from .budget import LayerCost, layer_macs
from .selector import Layers, ranks_of_shares

SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
CALLS = 5


def latency_cost(layers: Layers) -> LayerCost:
    """Milliseconds of the layers, one image; no chain is faster than one of smaller ranks."""
    keys = {name: replace(layer, name='', predecessors=()) for name, layer in layers.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tables = {layer: measure(layer) for layer in dict.fromkeys(keys.values())}
    finally:
        torch.set_num_threads(threads)

    def chain(name: str, ranks: tuple[int, ...]) -> float:
        _, macs, times = tables[keys[name]]
        return float(np.interp(layer_macs(layers[name], ranks), macs, times))

    return LayerCost(0.0, {name: tables[key][0] for name, key in keys.items()}, chain)


def measure(layer: ConvLayer) -> tuple[float, np.ndarray, np.ndarray]:
    """Milliseconds of the dense layer; (len(SHARES),) MACs of chains, and their milliseconds, never falling."""
    steps = [ranks_of_shares({layer.name: layer}, {layer.name: share})[layer.name] for share in SHARES]
    place = dict(stride=layer.stride, padding=same_padding(layer), bias=False)
    shape = layer.in_channels, layer.out_channels, layer.kernel_size
    forms = [nn.Conv2d(*shape, **place), *(TTConv2d(*shape, ranks, **place) for ranks in steps)]
    images = [torch.rand(1, layer.in_channels, *size) for size in layer.in_hw]
    times: list[list[float]] = [[] for _ in forms]
    with torch.no_grad():
        for _ in range(CALLS + 1):  # the first call warms up
            for form, own in zip(forms, times, strict=True):
                began = time.perf_counter()
                for image in images:
                    form(image)
                own.append(1000 * (time.perf_counter() - began))
    dense, *chains = (statistics.median(own[1:]) for own in times)
    return dense, np.array([layer_macs(layer, ranks) for ranks in steps]), np.maximum.accumulate(chains)


def same_padding(layer: ConvLayer) -> tuple[int, ...]:
    """Padding (vertical, horizontal) that gives the size of the layer's output; dilation counts as more padding."""
    sides = zip(layer.in_hw[0], layer.out_hw[0], layer.kernel_size, layer.stride, strict=True)
    return tuple(max(((out - 1) * stride + kernel - into + 1) // 2, 0) for into, out, kernel, stride in sides)
