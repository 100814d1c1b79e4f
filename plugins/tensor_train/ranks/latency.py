"""Measured times of layers on this machine, as a budget: in onnxruntime, with the threads of the deployment.

Of every shape of layer the dense form and chains at some shares of the full ranks are timed; between them time is
linear in the multiply-accumulates of the chain, which holds for any two ranks of a layer. What is not a convolution is
not counted. Ours.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from detplug.compression.costs import Calls, ConvShape, CostModel, CostRequest, register_cost_model

from ..counts import chain_shapes
from ..decomposition import max_ranks

SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
CALLS = 5
OPSET, IR = 20, 10  # that onnxruntime 1.31 reads


@register_cost_model('latency')
def latency(request: CostRequest) -> CostModel:
    """Milliseconds of the convolutions, one image; no chain is faster than one of smaller ranks."""
    calls = {name: tuple(convs) for name, convs in request.convs.items()}
    tables = {convs: measure(convs, request.threads) for convs in dict.fromkeys(calls[name] for name in request.layers)}
    others = [convs for name, convs in calls.items() if name not in request.layers]
    fixed = sum(milliseconds([[conv] for conv in convs], request.threads) for convs in others)

    def layer(name: str, chain: Calls) -> float:
        _, macs, times = tables[calls[name]]
        return float(np.interp(sum(conv.macs for call in chain for conv in call), macs, times))

    return CostModel(fixed, {name: tables[calls[name]][0] for name in request.layers}, layer)


def measure(calls: Sequence[ConvShape], threads: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Milliseconds of a dense layer; (len(SHARES),) MACs of chains, and their milliseconds, never falling."""
    forms = [[[conv] for conv in calls], *(chains(calls, share) for share in SHARES)]
    dense, *times = (milliseconds(form, threads) for form in forms)
    macs = [sum(conv.macs for call in form for conv in call) for form in forms[1:]]
    return dense, np.array(macs), np.maximum.accumulate(times)


def chains(calls: Sequence[ConvShape], share: float) -> Calls:
    """The chain of a layer with a share of its full ranks, at least 1, at each call."""
    found = []
    for conv in calls:
        full = max_ranks(conv.out_channels, conv.in_channels, conv.kernel_size)
        ranks = [max(round(share * most), 1) for most in full]
        shape = conv.out_channels, conv.in_channels, conv.kernel_size, conv.stride
        found.append(chain_shapes(*shape, ranks, conv.in_hw, conv.out_hw))
    return found


def milliseconds(calls: Calls, threads: int) -> float:
    """Median time of all calls of a layer, one after another."""
    runs = [run_of(call, threads) for call in calls if call]
    times = []
    for _ in range(CALLS + 1):  # the first warms up
        began = time.perf_counter()
        for run in runs:
            run()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])


def run_of(convs: Sequence[ConvShape], threads: int) -> Callable[[], object]:
    """Function that runs convolutions one after another on a map of ones."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # idle threads disturb the next layer's
    session = onnxruntime.InferenceSession(onnx_chain(convs), options, providers=['CPUExecutionProvider'])
    image = np.ones((1, convs[0].in_channels, *convs[0].in_hw), np.float32)
    return lambda: session.run(None, {'map0': image})


def onnx_chain(convs: Sequence[ConvShape]) -> bytes:
    """An ONNX model of convolutions one after another, without biases; maps are map0, map1, ..."""
    nodes, weights = [], []
    for i, conv in enumerate(convs):
        shape = conv.out_channels, conv.in_channels // conv.groups, *conv.kernel_size
        weights.append(numpy_helper.from_array(np.full(shape, 1e-3, np.float32), f'weight{i}'))
        place = dict(strides=conv.stride, pads=same_padding(conv), group=conv.groups, kernel_shape=conv.kernel_size)
        nodes.append(helper.make_node('Conv', [f'map{i}', f'weight{i}'], [f'map{i + 1}'], **place))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *size])
        for name, channels, size in (
            ('map0', convs[0].in_channels, convs[0].in_hw),
            (f'map{len(convs)}', convs[-1].out_channels, convs[-1].out_hw),
        )
    ]
    graph = helper.make_graph(nodes, 'chain', ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR)
    return model.SerializeToString()


def same_padding(conv: ConvShape) -> list[int]:
    """Padding (top, left, bottom, right) that gives the size of the output; dilation counts as more padding."""
    sides = zip(conv.in_hw, conv.out_hw, conv.kernel_size, conv.stride, strict=True)
    whole = [max((out - 1) * stride + kernel - into, 0) for into, out, kernel, stride in sides]
    return [half // 2 for half in whole] + [whole_side - whole_side // 2 for whole_side in whole]
