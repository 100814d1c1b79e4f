"""Layer times as a budget: what was measured is what it costs; between, a line. Times themselves are not asserted."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from plugins.tensor_train.conv_layers import ConvLayer, conv_layers
from plugins.tensor_train.ranks import Budget, UniformRanks, allocate, latency, latency_cost
from plugins.tensor_train.ranks.budget import layer_macs
from plugins.tensor_train.ranks.latency import SHARES, measure, same_padding
from plugins.tensor_train.ranks.selector import ranks_of_shares

NET = nn.Sequential(
    nn.Conv2d(3, 16, 6, 2, 2), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 24, 1)
)  # fmt: skip
LAYERS = conv_layers(NET, NET, torch.rand(1, 3, 16, 16))


def pretended(layer: ConvLayer):
    """A machine on which a chain takes half a millisecond, and one more for each thousand MACs; dense takes 40."""
    macs = np.array([layer_macs(layer, ranks_of_shares({'': layer}, {'': share})['']) for share in SHARES])
    return 40.0, macs, 0.5 + macs / 1000


def test_what_is_measured():
    dense, macs, times = measure(LAYERS['0'])
    assert dense > 0 and times.shape == macs.shape == (len(SHARES),)
    assert (times > 0).all() and (np.diff(times) >= 0).all() and (np.diff(macs) > 0).all()


def test_cost_is_the_sum_of_the_layers(monkeypatch):
    monkeypatch.setattr(latency, 'measure', pretended)
    cost = latency_cost(LAYERS)
    assert cost({}) == 160
    ranks = {'1': (5, 9), '3': (7,)}  # at no measured share, and differently at the two bonds
    macs = 8 * 8 * (16 * 5 + 9 * 5 * 9 + 9 * 16), 8 * 8 * (16 * 7 + 7 * 24)
    assert cost(ranks) == pytest.approx(80 + sum(0.5 + own / 1000 for own in macs))


def test_equal_layers_are_measured_once(monkeypatch):
    asked = []
    monkeypatch.setattr(latency, 'measure', lambda layer: (asked.append(layer), pretended(layer))[1])
    latency_cost(LAYERS)
    assert len(asked) == 3  # layers 1 and 2 are alike


def test_threads_are_as_before(monkeypatch):
    seen, before = [], torch.get_num_threads()

    def watched(layer):
        seen.append(torch.get_num_threads())
        return pretended(layer)

    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(latency, 'measure', watched)
        latency_cost(LAYERS)
        assert set(seen) == {1} and torch.get_num_threads() == 2
        monkeypatch.setattr(latency, 'measure', lambda layer: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            latency_cost(LAYERS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


REAL = latency_cost(LAYERS)
RANKS = st.tuples(st.integers(1, 16), st.integers(1, 16))


@given(RANKS, RANKS)
def test_no_chain_is_faster_than_a_smaller_one(one, other):
    smaller, larger = (tuple(f(*bonds) for bonds in zip(one, other, strict=True)) for f in (min, max))
    assert REAL({'1': smaller}) <= REAL({'1': larger})


@pytest.mark.parametrize('share', [0.5, 0.8])
def test_ranks_fit_a_time(monkeypatch, share):
    monkeypatch.setattr(latency, 'measure', pretended)
    cost = latency_cost(LAYERS)
    ranks = allocate(UniformRanks(), dict.fromkeys(LAYERS, 1.0), LAYERS, Budget('latency', cost, share * cost({})))
    assert ranks and cost(ranks) <= share * cost({})


@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 3), st.integers(0, 4))
def test_padding_gives_the_size_of_the_output(into, kernel, stride, padding):
    assume(into + 2 * padding >= kernel)
    out = (into + 2 * padding - kernel) // stride + 1
    layer = ConvLayer('', 1, 1, (kernel, 1), (stride, 1), ((into, 4),), ((out, 4),), ())
    found = same_padding(layer)
    conv = nn.Conv2d(1, 1, (kernel, 1), stride=(stride, 1), padding=found)
    assert conv(torch.zeros(1, 1, into, 4)).shape[2:] == (out, 4)
