"""Types hold every number; the graph's chains and names; refusals before anything is compiled."""

import itertools

import numpy as np
import pytest
from fpga_hls_networks import Builder, blocks, yolov5
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.fpga.hls.number_types import conv_types, map_type, signed_bits
from plugins.fpga.hls.onnx_graph import onnx_graph
from plugins.fpga.hls.project import write_project
from plugins.fpga.integers.integer_network import Concat, Conv, Format, MaxPool, sum_range
from plugins.fpga.integers.map_shapes import map_shapes


@given(low=st.integers(-70000, 70000), high=st.integers(-70000, 70000))
def test_signed_bits_are_the_fewest(low, high):
    low, high = min(low, high), max(low, high)
    fits = [bits for bits in range(2, 40) if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)]
    assert signed_bits(low, high) == fits[0]


@given(
    weight=st.lists(st.integers(-128, 127), min_size=4, max_size=4), bias=st.integers(-500, 500), signed=st.booleans()
)
def test_sum_range_is_the_range_over_all_extreme_maps(weight, bias, signed):
    weight = np.array(weight, np.int8).reshape(2, 2, 1, 1)
    source = Format(8, signed)
    op = Conv('c', ('x',), weight=weight, weight_frac=3, bias=np.array([bias, -bias], np.int32))
    maps = np.array(list(itertools.product((source.low, source.high), repeat=2)))[:, :, None, None]
    sums = op.run(maps, source)
    assert sum_range(op, source) == (sums.min(), sums.max())


def test_types():
    op = Conv('c', ('x',), weight=np.full((1, 1, 1, 1), 2, np.int8), weight_frac=9, bias=np.array([-1], np.int32))
    assert map_type(Format(5, signed=False)) == 'ufixed<8,3,RND_CONV,SAT>'
    assert map_type(Format(9, signed=True)) == 'fixed<8,-1,RND_CONV,SAT>'
    # sums -1 .. 509 with 17 bits after the point
    wanted = dict(weight='fixed<8,-1>', bias='fixed<2,-15>', accum='fixed<10,-7>', result='fixed<10,-7>')
    assert conv_types(op, Format(8, signed=False)) == wanted


@pytest.mark.parametrize('network', [blocks()[1], yolov5(2, 1, 32)])
def test_shapes_are_those_of_the_maps(network):
    maps = network.run(np.zeros((1, *network.input_shape)))
    assert map_shapes(network) == {name: value.shape[1:] for name, value in maps.items()}


def test_yolov5_has_its_60_convolutions():
    network = yolov5(2, 1, 32)
    assert sum(isinstance(op, Conv) for op in network.ops) == 60
    assert len(onnx_graph(network).graph.output) == 3


def test_concat_of_four_is_a_chain_of_pairs():
    net = Builder(2, 3, 3)
    pools = [net.add(MaxPool, 'image', kernel=k) for k in (3, 5, 7)]
    graph = onnx_graph(net.network(net.add(Concat, 'image', *pools))).graph
    pairs = [node for node in graph.node if node.op_type == 'Concat']
    assert [len(node.input) for node in pairs] == [2, 2, 2]
    assert [node.input[0] for node in pairs] == ['map_image', pairs[0].output[0], pairs[1].output[0]]
    assert pairs[-1].output[0] == graph.output[0].name


def test_bias_and_weight_values():
    net = Builder(2, 3, 3)
    name = net.conv('image', 3, 3)
    op, graph = net.ops[0], onnx_graph(net.network(name)).graph
    weight, bias = (np.frombuffer(item.raw_data, t) for item, t in zip(graph.initializer, ('f4', 'f8'), strict=True))
    assert np.array_equal(weight * 2**9, op.weight.transpose(0, 2, 3, 1).ravel())
    assert np.array_equal(bias * 2**17, op.bias)


def test_too_few_dsps(tmp_path):
    with pytest.raises(UserError, match='dsp_budget: 3: 7 layers need a DSP each'):
        write_project(blocks()[1], tmp_path, dsp_budget=3)


def test_names_that_become_one(tmp_path):
    pytest.importorskip('hls4ml', reason='hls4ml is not installed: the extra [fpga]')
    net = Builder(2, 3, 3)
    net.ops = [MaxPool(name, ('image',), 3) for name in ('a.b', 'a/b')]
    with pytest.raises(UserError, match='hls4ml: does not take the network .*differ only in special'):
        write_project(net.network('a.b', 'a/b'), tmp_path)


def test_equal_networks_give_equal_files(tmp_path):
    pytest.importorskip('hls4ml', reason='hls4ml is not installed: the extra [fpga]')
    folders = [write_project(blocks()[1], tmp_path / name).folder for name in 'ab']
    first, second = ({str(p.relative_to(f)): p.read_bytes() for p in f.rglob('*') if p.is_file()} for f in folders)
    assert first == second and 'firmware/nnet_utils/padded_max_pool.h' in first
    assert not any(str(tmp_path).encode() in text for text in first.values())
