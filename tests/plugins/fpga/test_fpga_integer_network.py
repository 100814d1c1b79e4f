"""The integer model against torch in float64, where every integer here is exact."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from plugins.fpga.integers.integer_network import (
    Add,
    Concat,
    Conv,
    Format,
    IntegerNetwork,
    MaxPool,
    Upsample,
    convolve,
    requantise,
)
from plugins.fpga.integers.map_shapes import shape_of
from plugins.fpga.integers.pooling import pool_problem
from plugins.fpga.integers.tt_kernel import TTKernel

U8, S8 = Format(6, signed=False), Format(5, signed=True)


def draw(seed, *shape, low=-128, high=128):
    return np.random.default_rng(seed).integers(low, high, shape)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20), st.integers(-4, 20), st.booleans())
def test_rounding_is_torchs_and_clips(sums, shift, signed):
    out = Format(0, signed)
    found = requantise(np.array(sums, np.int64), shift, out)
    wanted = (torch.tensor(sums, dtype=torch.float64) * 2.0**-shift).round().clamp(out.low, out.high)
    np.testing.assert_array_equal(found, wanted.numpy())


@pytest.mark.parametrize('kernel, stride, padding', [(1, 1, 0), (3, 1, 1), (3, 2, 1), (6, 2, 2)])
def test_sums_are_torchs(kernel, stride, padding):
    x, weight = draw(0, 2, 5, 12, 8, low=0, high=256), draw(1, 4, 5, kernel, kernel)
    wanted = F.conv2d(torch.tensor(x).double(), torch.tensor(weight).double(), stride=stride, padding=padding)
    np.testing.assert_array_equal(convolve(x, weight, stride, padding), wanted.numpy())


def test_a_network_is_the_same_in_torch():
    first, second = draw(0, 6, 3, 3, 3).astype(np.int8), draw(1, 6, 6, 1, 1).astype(np.int8)
    biases = draw(2, 2, 6, low=-500, high=500)
    network = IntegerNetwork(
        'x',
        Format(8, signed=False),
        (3, 8, 8),
        (
            Conv('a', ('x',), first, 6, biases[0], 2, 1, U8),
            Conv('b', ('a',), second, 7, biases[1], out=U8),
            Add('c', ('a', 'b'), U8),
            MaxPool('d', ('c',), 5),
            Concat('e', ('c', 'd', 'a')),
            Upsample('f', ('e',)),
            Conv('g', ('f',), draw(3, 2, 18, 1, 1).astype(np.int8), 7, biases[0][:2]),
        ),
        ('g',),
    )
    x = draw(4, 2, 3, 8, 8, low=0, high=256)
    maps = network.run(x)

    def conv(value, weight, frac, bias, source, **place):
        weight, bias = torch.tensor(weight).double() * 2.0**-frac, torch.tensor(bias) * 2.0 ** -(source + frac)
        return F.conv2d(value, weight, bias.double(), **place)

    def quantise(value):
        return (value * 2.0**U8.frac).round().clamp(0, 255) * 2.0**-U8.frac

    value = torch.tensor(x).double() * 2.0**-8
    a = quantise(conv(value, first, 6, biases[0], 8, stride=2, padding=1))
    b = quantise(conv(a, second, 7, biases[1], 6))
    c = quantise(a + b)
    f = F.interpolate(torch.cat([c, F.max_pool2d(c, 5, 1, 2), a], 1), scale_factor=2.0)
    g = conv(f, network.ops[-1].weight, 7, biases[0][:2], 6)
    assert network.formats['g'] == Format(13, signed=True, bits=32)
    np.testing.assert_array_equal(network.values(maps)[0], g.numpy())
    assert len(np.unique(maps['d'])) > 5  # not all clipped


@pytest.mark.parametrize('kernel, stride, padding', [(2, 2, 0), (3, 2, 1), (2, 2, 1), (5, 2, 2), (3, 1, None)])
def test_poolings_equal_those_of_torch(kernel, stride, padding):
    x = draw(7, 2, 3, 9, 12, low=-128, high=128)
    pool = MaxPool('a', ('x',), kernel, stride, padding)
    expected = F.max_pool2d(torch.tensor(x).double(), kernel, stride, pool.edge).numpy()
    np.testing.assert_array_equal(pool.run(x), expected)
    assert shape_of(pool, [(3, 9, 12)]) == expected.shape[1:]


@pytest.mark.parametrize(
    'window',
    [
        ((2, 2), (1, 1), (0, 0), (1, 1), False),
        ((3, 3), (3, 3), (0, 0), (1, 1), False),
        ((3, 2), (2, 2), (0, 0), (1, 1), False),
        ((3, 3), (2, 1), (1, 1), (1, 1), False),
        ((2, 2), (2, 2), (0, 0, 1, 1), (1, 1), False),
        ((3, 3), (2, 2), (1, 1), (2, 2), False),
        ((2, 2), (2, 2), (0, 0), (1, 1), True),
        ((17, 17), (1, 1), (8, 8), (1, 1), False),
    ],
)
def test_other_poolings_have_no_form(window):
    assert pool_problem(*window).startswith(f'a pooling of {window[0]}')


def test_sources_of_two_scales_are_refused():
    weight = np.zeros((3, 3, 1, 1), np.int8)
    op = Conv('a', ('x',), weight, 5, np.zeros(3, np.int32), out=S8)
    with pytest.raises(ValueError, match='b: sources of several formats'):
        IntegerNetwork('x', U8, (3, 4, 4), (op, Concat('b', ('x', 'a'))), ('b',))


def test_a_rebuilt_kernel_is_two_rounded_products():
    kernel = TTKernel(
        draw(0, 4, 7).astype(np.int8), draw(1, 5, 4, 3, 3).astype(np.int8), draw(2, 6, 5).astype(np.int8), 8, 7
    )

    def int8(sums, shift):
        return (sums * 2.0**-shift).round().clamp(-128, 127)

    first, middle, last = (torch.tensor(core).double() for core in (kernel.first, kernel.middle, kernel.last))
    inner = int8(torch.einsum('srhw,ri->sihw', middle, first), 8)
    wanted = int8(torch.einsum('os,sihw->oihw', last, inner), 7)
    np.testing.assert_array_equal(kernel.rebuild(), wanted.numpy())
    assert kernel.bytes == 4 * 7 + 5 * 4 * 9 + 6 * 5


def test_a_pair_is_one_rounded_product():
    kernel = TTKernel(draw(0, 4, 7).astype(np.int8), None, draw(2, 6, 4).astype(np.int8), 0, 8)
    sums = kernel.last.astype(np.int64) @ kernel.first.astype(np.int64)
    wanted = (torch.tensor(sums).double() / 256).round().clamp(-128, 127)
    np.testing.assert_array_equal(kernel.rebuild()[:, :, 0, 0], wanted.numpy())


def test_no_image_is_a_batch_too():
    op = Conv('a', ('x',), np.ones((2, 3, 3, 3), np.int8), 5, np.zeros(2, np.int32), 1, 1, S8)
    assert IntegerNetwork('x', U8, (3, 4, 4), (op,), ('a',)).run(np.zeros((0, 3, 4, 4)))['a'].shape == (0, 2, 4, 4)
