"""Parts of a network: a part and the rest give what the whole gives."""

import numpy as np
import pytest
from fpga_hls_networks import blocks, yolov5

from detplug.errors import UserError
from plugins.fpga.hls.cut import finish, first_part, largest_part, share
from plugins.fpga.integers.integer_network import Conv, MaxPool, Upsample


def whole_and_images(seed: int = 3):
    """A small YOLOv5 and integers of two images."""
    network = yolov5(2, 1, 32)
    return network, np.random.default_rng(seed).integers(0, 256, (2, *network.input_shape))


@pytest.mark.parametrize('without', [MaxPool, Upsample])
def test_the_largest_part_and_the_rest_are_the_whole(without):
    network, x = whole_and_images()
    part = largest_part(network, lambda op: not isinstance(op, without))
    assert not any(isinstance(op, without) for op in part.ops)
    made = {name: value for name, value in part.run(x).items() if name in part.outputs}
    wanted, found = network.run(x), finish(network, made)
    assert list(found) == list(network.outputs)
    assert all(np.array_equal(found[name], wanted[name]) for name in found)
    assert 0 < share(part, network).macs < 1


def test_the_largest_part_cannot_be_larger():
    network, _ = whole_and_images()
    part = largest_part(network, lambda op: not isinstance(op, MaxPool))
    inside = {network.input, *(op.name for op in part.ops)}
    left = [op for op in network.ops if op.name not in inside and inside.issuperset(op.sources)]
    assert left and all(isinstance(op, MaxPool) for op in left)


def test_everything_is_taken():
    network, _ = whole_and_images()
    part = largest_part(network, lambda op: True)
    assert part.ops == network.ops and part.outputs == network.outputs
    assert share(part, network).layers == share(part, network).macs == 1


def test_a_cut_at_named_maps_keeps_only_what_they_need():
    network = blocks()[1]
    part = first_part(network, ['conv.1'])
    assert [op.name for op in part.ops] == ['conv.0', 'conv.1'] and part.outputs == ('conv.1',)
    # 5 x 3 x 36 and 5 x 5 x 9 weights at 5 x 4 pixels, of all: blocks() in fpga_hls_networks.py
    macs = sum(op.weight.size * part.run(np.zeros((1, 3, 10, 8)))[op.name][0, 0].size for op in part.ops)
    assert macs == (540 + 225) * 20
    all_maps = network.run(np.zeros((1, 3, 10, 8)))
    total = sum(op.weight.size * all_maps[op.name][0, 0].size for op in network.ops if isinstance(op, Conv))
    assert share(part, network).macs == pytest.approx(macs / total)
    assert share(part, network).layers == 2 / 7


def test_unknown_maps():
    with pytest.raises(UserError, match='cut: nowhere: not made by the network'):
        first_part(blocks()[1], ['nowhere', 'conv.0'])
    with pytest.raises(UserError, match='cut: no map'):
        first_part(blocks()[1], [])
    with pytest.raises(UserError, match='cut: conv.0: no operation is taken'):
        largest_part(blocks()[1], lambda op: False)
