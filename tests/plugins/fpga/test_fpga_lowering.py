"""What the accelerator lays out otherwise has the same numbers, whatever the number of channels."""

from dataclasses import replace

import numpy as np
import pytest
from fpga_odd_network import MAP, conv, image, odd_network
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.fpga.compiler.fold_stride import fold_map, unfold_map
from plugins.fpga.compiler.lowering import lower
from plugins.fpga.compiler.placement import place_maps
from plugins.fpga.integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork
from plugins.fpga.integers.map_shapes import map_shapes


@pytest.mark.parametrize('rebuilt', [False, True])
@pytest.mark.parametrize('n', [4, 8, 32])
def test_a_lowered_network_computes_the_same(rebuilt, n):
    network, x = odd_network(rebuilt), image()
    lowered = lower(network, n)
    laid_out = lowered.network.run(lowered.views['image'].write(x)[None])
    for name, expected in network.run(x[None]).items():
        np.testing.assert_array_equal(lowered.views[name].read(laid_out[name][0]), expected[0], err_msg=name)
    shapes = map_shapes(lowered.network)
    for op in lowered.network.ops:
        if isinstance(op, Concat):
            assert not any(shapes[name][0] % n for name in op.sources[:-1])
        if isinstance(op, Conv) and op.cores is not None:
            np.testing.assert_array_equal(op.cores.rebuild(), op.weight)
    place_maps(lowered.network, n)


def test_the_stem_is_folded_also_as_a_chain():
    lowered = lower(odd_network(), 4)
    assert [name for name, view in lowered.views.items() if view.folded] == ['image', 'first']
    kernels = {op.name: (op.weight.shape, op.stride, op.padding) for op in lowered.network.ops[:3]}
    assert kernels == {
        'first': ((20, 12, 1, 1), 1, 0), 'middle': ((7, 20, 3, 3), 1, 1), 'stem': ((8, 7, 1, 1), 1, 0),
    }  # fmt: skip


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_a_folded_map_is_unfolded(channels, rows, cols):
    x = np.random.default_rng(0).integers(0, 256, (channels, 2 * rows, 2 * cols))
    np.testing.assert_array_equal(unfold_map(fold_map(x)), x)


def test_what_fills_its_blocks_stays_as_it_is():
    ops = (
        conv(0, 'a', 'x', (4, 8)),
        conv(1, 'b', 'x', (4, 4)),
        Concat('cat', ('a', 'b')),
        conv(2, 'c', 'cat', (12, 5)),
    )
    network = IntegerNetwork('x', Format(8, False), (4, 6, 6), ops, ('c',))
    lowered = lower(network, 4).network
    assert lowered.ops == ops and lowered.input_shape == network.input_shape


def test_a_sum_of_maps_that_lie_differently_is_refused():
    ops = (
        conv(0, 'a', 'x', (3, 3)), conv(1, 'b', 'x', (3, 3)), Concat('cat', ('a', 'b')),
        conv(2, 'c', 'cat', (6, 6)), Add('sum', ('cat', 'c'), MAP),
    )  # fmt: skip
    network = IntegerNetwork('x', Format(8, False), (3, 6, 6), ops, ('sum',))
    with pytest.raises(UserError, match=r'^sum: cat \(6 channels\) and c \(6 channels\) lie differently'):
        lower(network, 4)
    assert lower(replace(network, ops=ops[:4], outputs=('c',)), 4).views['cat'].width == 7
