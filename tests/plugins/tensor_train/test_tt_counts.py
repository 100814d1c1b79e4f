"""Counts against the parameters of built layers, and against what hooks on every convolution see run."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plugins.tensor_train.counts import chain_params, chain_shapes, dense_macs, dense_params
from plugins.tensor_train.decomposition import max_ranks
from plugins.tensor_train.tt_conv import TTConv2d

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([(1, 1), (3, 3), (5, 5), (6, 6), (1, 3)]))
PLACES = st.fixed_dictionaries(
    dict(stride=st.sampled_from([1, 2, (1, 2)]), padding=st.integers(0, 2), dilation=st.integers(1, 2))
)


def weights(module: nn.Module) -> int:
    return sum(x.numel() for name, x in module.named_parameters() if name.endswith('weight'))


def chain_macs(out, into, size, ranks, in_hw, out_hw, stride=(1, 1)) -> int:
    return sum(conv.macs for conv in chain_shapes(out, into, size, stride, ranks, in_hw, out_hw))


def counted_macs(module: nn.Module, image: torch.Tensor) -> tuple[int, tuple[int, int]]:
    """Multiply-accumulates of every convolution that runs, and the size of the output."""
    seen = []

    def note(conv: nn.Conv2d, inputs, output):
        seen.append(output[0].numel() * conv.weight[0].numel())

    handles = [x.register_forward_hook(note) for x in module.modules() if isinstance(x, nn.Conv2d)]
    size = tuple(module(image).shape[2:])
    for handle in handles:
        handle.remove()
    return sum(seen), size


@given(SHAPES, PLACES, st.booleans(), st.tuples(st.integers(11, 16), st.integers(11, 16)), st.data())
def test_counts_are_those_of_the_built_layers(shape, place, bias, in_hw, data):
    out, into, size = shape
    ranks = tuple(data.draw(st.integers(1, full)) for full in max_ranks(*shape))
    dense = nn.Conv2d(into, out, size, **place, bias=bias)
    chain = TTConv2d(into, out, size, ranks, **place, bias=bias)
    assert dense_params(*shape) == weights(dense)
    assert chain_params(*shape, ranks) == weights(chain)
    image = torch.rand(1, into, *in_hw)
    macs, out_hw = counted_macs(dense, image)
    assert dense_macs(*shape, in_hw, out_hw) == macs
    assert (chain_macs(*shape, ranks, in_hw, out_hw), out_hw) == counted_macs(chain, image)


def test_known_answers():
    """A 3x3 layer from 64 to 128 channels with stride 2 on 80 x 80, ranks 16 and 32, by hand."""
    assert dense_params(128, 64, (3, 3)) == 73_728
    assert chain_params(128, 64, (3, 3), (16, 32)) == 1_024 + 4_608 + 4_096
    assert dense_macs(128, 64, (3, 3), (80, 80), (40, 40)) == 117_964_800
    assert chain_macs(128, 64, (3, 3), (16, 32), (80, 80), (40, 40)) == 6_553_600 + 7_372_800 + 6_553_600
    assert chain_params(128, 64, (1, 1), (10,)) == 1_920


@pytest.mark.parametrize('size', [(1, 1), (3, 3)])
def test_nothing_at_no_position(size):
    assert dense_macs(8, 4, size, (0, 0), (0, 0)) == chain_macs(8, 4, size, (2, 2), (0, 0), (0, 0)) == 0
