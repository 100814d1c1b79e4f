"""Cores are attached where they rebuild the layer's kernel exactly, and refused by the layer's name elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.fpga.integers.integer_network import Conv, Format, IntegerNetwork, MaxPool
from plugins.fpga.integers.tt_kernel import TTKernel
from plugins.fpga.qonnx import attach_cores


def kernel(seed=0, outputs=4, inputs=4):
    rng = np.random.default_rng(seed)
    first, middle, last = (
        rng.integers(-128, 128, shape, np.int8) for shape in ((2, inputs), (3, 2, 3, 3), (outputs, 3))
    )
    return TTKernel(first, middle, last, 7, 7)


def network(*weights):
    """A chain of convolutions, with a pool between."""
    ops, source = [], 'pixels'
    for index, weight in enumerate(weights):
        bias = np.zeros(len(weight), np.int32)
        edge = weight.shape[2] // 2
        ops.append(Conv(f'layer{index}', (source,), weight, 7, bias, padding=edge, out=Format(4, signed=False)))
        ops.append(MaxPool(f'pool{index}', (f'layer{index}',), 5))
        source = f'pool{index}'
    return IntegerNetwork('pixels', Format(8, signed=False), (4, 6, 6), tuple(ops), (source,))


def test_cores_go_to_the_convolutions_in_order():
    cores, dense = kernel(), np.ones((4, 4, 1, 1), np.int8)
    plain = network(dense, cores.rebuild())
    given = attach_cores(plain, [None, cores])
    assert [op.cores for op in given.ops if isinstance(op, Conv)] == [None, cores]
    x = np.random.default_rng(1).integers(0, 256, (2, 4, 6, 6))
    assert all(np.array_equal(a, b) for a, b in zip(plain.run(x).values(), given.run(x).values(), strict=True))
    assert [op.cores for op in plain.ops if isinstance(op, Conv)] == [None, None]  # the given one is not changed


@given(seed=st.integers(0, 10**6), core=st.sampled_from(['first', 'middle', 'last']), where=st.integers(0, 10**6))
def test_a_changed_core_is_named_where_it_changes_the_kernel(seed, core, where):
    right = kernel(seed)
    wrong = getattr(right, core).copy()
    wrong.flat[where % wrong.size] ^= 64
    wrong = replace(right, **{core: wrong})
    plain = network(np.ones((4, 4, 1, 1), np.int8), right.rebuild())
    different = int((wrong.rebuild() != right.rebuild()).sum())
    if different == 0:
        assert attach_cores(plain, [None, wrong]).ops[2].cores is wrong
        return
    with pytest.raises(UserError, match=rf'^layer1: cores: {different} of 144 rebuilt weights'):
        attach_cores(plain, [None, wrong])


def test_a_transposed_kernel_is_named():
    cores = kernel(3)
    with pytest.raises(UserError, match='^layer0: cores: .* rebuilt weights'):
        attach_cores(network(cores.rebuild().transpose(1, 0, 2, 3)), [cores])


def test_a_kernel_of_another_shape_is_named():
    with pytest.raises(UserError, match=r'^layer0: cores: they rebuild \(4, 4, 3, 3\), the layer has \(4, 4, 1, 1\)'):
        attach_cores(network(np.ones((4, 4, 1, 1), np.int8)), [kernel()])


@pytest.mark.parametrize('count', [0, 2])
def test_another_number_of_layers_is_refused(count):
    with pytest.raises(UserError, match=f'cores: {count} kernels for 1 convolutions'):
        attach_cores(network(kernel().rebuild()), [None] * count)
