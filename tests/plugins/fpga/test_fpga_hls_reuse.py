"""Reuse factors: hls4ml's own rule, the budget, and no better choice by trying all."""

import itertools

import pytest
from fpga_hls_networks import yolov5
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.fpga.hls.reuse import Multiplications, multiplications, reuse_factors

SMALL = st.builds(Multiplications, st.integers(1, 12), st.integers(1, 12), st.integers(1, 30))


@given(inputs=st.integers(1, 40), outputs=st.integers(1, 40))
def test_legal_is_the_rule_of_hls4ml(inputs, outputs):
    backends = pytest.importorskip('hls4ml.backends', reason='hls4ml is not installed: the extra [fpga]')
    rule = backends.get_backend('Vitis').get_valid_reuse_factors(inputs, outputs)
    assert Multiplications(inputs, outputs, 1).legal() == rule


@given(layers=st.lists(SMALL, max_size=3), budget=st.integers(3, 200))
def test_no_choice_within_the_budget_is_faster(layers, budget):
    layers = {str(k): layer for k, layer in enumerate(layers)}
    chosen = reuse_factors(layers, budget)

    def cost(reuse):
        pairs = list(zip(layers.values(), reuse, strict=True))
        return max((x.pixels * r for x, r in pairs), default=0), sum(x.dsps(r) for x, r in pairs)

    choices = map(cost, itertools.product(*(x.legal() for x in layers.values())))
    assert cost(chosen.values()) == min(c for c in choices if c[1] <= budget)


def test_more_dsps_are_never_slower():
    layers = multiplications(yolov5(2, 1, 32))
    chosen = [reuse_factors(layers, budget) for budget in (60, 200, 1000, 10**9)]
    intervals = [max(layers[name].pixels * r for name, r in reuse.items()) for reuse in chosen]
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[0] == max(layer.macs for layer in layers.values())  # one DSP a layer
    assert intervals[-1] == max(layer.pixels for layer in layers.values())


def test_fewer_dsps_than_layers():
    with pytest.raises(UserError, match='dsp_budget: 1: 2 layers need a DSP each; give more DSPs'):
        reuse_factors({'a': Multiplications(2, 2, 2), 'b': Multiplications(2, 2, 2)}, 1)
