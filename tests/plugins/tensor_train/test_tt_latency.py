"""Layer times as a budget: what was measured is what it costs; between, a line. Times themselves are not asserted."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from detplug.compression.costs import ConvShape, CostRequest
from plugins.tensor_train.conv_layers import all_convolutions, conv_layers
from plugins.tensor_train.ranks import Budget, UniformRanks, allocate, layer_cost
from plugins.tensor_train.ranks import latency as module
from plugins.tensor_train.ranks.latency import SHARES, chains, measure, onnx_chain, same_padding

NET = nn.Sequential(
    nn.Conv2d(3, 16, 6, 2, 2), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 24, 1)
)  # fmt: skip
IMAGE = torch.rand(1, 3, 16, 16)
LAYERS = conv_layers(NET, NET, IMAGE)
CONVS = all_convolutions(NET, NET, IMAGE)


def cost_of(names=tuple(LAYERS), threads: int = 1):
    return layer_cost(module.latency(CostRequest(NET, {}, 16, CONVS, names, threads)), LAYERS)


def pretended(calls, threads: int):
    """A machine on which a chain takes half a millisecond, and one more for each thousand MACs; dense takes 40."""
    macs = np.array([sum(x.macs for call in chains(calls, share) for x in call) for share in SHARES])
    return 40.0, macs, 0.5 + macs / 1000


def test_what_is_measured():
    dense, macs, times = measure(CONVS['0'], 1)
    assert dense > 0 and times.shape == macs.shape == (len(SHARES),)
    assert (times > 0).all() and (np.diff(times) >= 0).all() and (np.diff(macs) > 0).all()


def test_cost_is_the_sum_of_the_layers(monkeypatch):
    monkeypatch.setattr(module, 'measure', pretended)
    cost = cost_of()
    assert cost({}) == 160
    ranks = {'1': (5, 9), '3': (7,)}  # at no measured share, and differently at the two bonds
    macs = 8 * 8 * (16 * 5 + 9 * 5 * 9 + 9 * 16), 8 * 8 * (16 * 7 + 7 * 24)
    assert cost(ranks) == pytest.approx(80 + sum(0.5 + own / 1000 for own in macs))


def test_the_convolutions_that_stay_count(monkeypatch):
    monkeypatch.setattr(module, 'measure', pretended)
    monkeypatch.setattr(module, 'milliseconds', lambda calls, threads: 7.0)
    assert cost_of(('1', '2'))({}) == 2 * 40 + 2 * 7


def test_equal_layers_are_measured_once(monkeypatch):
    asked = []
    monkeypatch.setattr(module, 'measure', lambda calls, threads: (asked.append(calls), pretended(calls, threads))[1])
    cost_of()
    assert len(asked) == 3  # layers 1 and 2 are alike


@pytest.mark.parametrize('threads', [1, 2])
def test_the_runtime_has_the_threads_of_the_deployment(monkeypatch, threads):
    seen, session = set(), onnxruntime.InferenceSession

    def watched(model, options, **kwargs):
        seen.add(options.intra_op_num_threads)
        return session(model, options, **kwargs)

    monkeypatch.setattr(module.onnxruntime, 'InferenceSession', watched)
    cost_of(('3',), threads)
    assert seen == {threads}


def test_the_runtime_runs_the_convolutions_of_the_chain():
    calls = chains(CONVS['0'], 0.5)
    model = onnxruntime.InferenceSession(onnx_chain(calls[0]), providers=['CPUExecutionProvider'])
    found = model.run(None, {'map0': np.ones((1, 3, 16, 16), np.float32)})[0]
    torch_map = torch.ones(1, 3, 16, 16)
    for conv in calls[0]:
        weight = torch.full((conv.out_channels, conv.in_channels, *conv.kernel_size), 1e-3)
        torch_map = nn.functional.conv2d(torch_map, weight, None, conv.stride, same_padding(conv)[0])
    np.testing.assert_allclose(found, torch_map.numpy(), rtol=1e-4)


REAL = cost_of()
RANKS = st.tuples(st.integers(1, 16), st.integers(1, 16))


@given(RANKS, RANKS)
def test_no_chain_is_faster_than_a_smaller_one(one, other):
    smaller, larger = (tuple(f(*bonds) for bonds in zip(one, other, strict=True)) for f in (min, max))
    assert REAL({'1': smaller}) <= REAL({'1': larger})


@pytest.mark.parametrize('share', [0.5, 0.8])
def test_ranks_fit_a_time(monkeypatch, share):
    monkeypatch.setattr(module, 'measure', pretended)
    cost = cost_of()
    ranks = allocate(UniformRanks(), dict.fromkeys(LAYERS, 1.0), LAYERS, [Budget('latency', cost, share * cost({}))])
    assert ranks and cost(ranks) <= share * cost({})


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 3), st.integers(0, 4))
def test_padding_gives_the_size_of_the_output(into, kernel, stride, padding):
    assume(into + 2 * padding >= kernel)
    out = (into + 2 * padding - kernel) // stride + 1
    conv = ConvShape(1, 1, (kernel, 1), (stride, 1), (into, 4), (out, 4))
    top, left, bottom, right = same_padding(conv)
    assert (into + top + bottom - kernel) // stride + 1 == out and left == right == 0
