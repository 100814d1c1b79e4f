"""torch, qonnx and integers compute the same bits, and the first tensor that differs is named."""

import warnings
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from fpga_qonnx_networks import SIDE, Detector, calibrated, conv, image_quantiser, images, relu
from onnx import numpy_helper
from torch import nn

from detplug.errors import UserError
from plugins.fpga.integers.integer_network import Conv
from plugins.fpga.qonnx import read_qonnx
from plugins.fpga.qonnx.difference import first_difference
from plugins.fpga.qonnx.images import to_integers
from plugins.fpga.qonnx.write import write_qonnx


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The network and its file."""
    network, path = calibrated(Detector), tmp_path_factory.mktemp('qonnx') / 'model.onnx'
    write_qonnx(network, path, SIDE)
    return network, path


def changed(path, tmp_path, tensor, change):
    """A copy of the file in which the stored tensor, input ``place`` of the node that makes ``tensor``, is changed."""
    model = onnx.load(path)
    change(model, {item.name: item for item in model.graph.initializer})
    onnx.save(model, tmp_path / f'{tensor}.onnx')
    return tmp_path / f'{tensor}.onnx'


def store(item, value):
    item.CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), item.name))


def maker(model, tensor):
    return next(node for node in model.graph.node if tensor in node.output)


def test_all_three_are_equal(written):
    network, path = written
    integers = read_qonnx(path)
    assert first_difference(network, path, integers, images(4)) is None
    with torch.no_grad():
        expected = network(torch.from_numpy(images(4)))
    found = integers.values(integers.run(to_integers(images(4), integers.input_format)))
    for values, there in zip(found, expected, strict=True):
        assert np.array_equal(values, there.double().numpy()) and len(np.unique(values)) > 50


def test_maps_have_the_names_of_layers(written):
    integers = read_qonnx(written[1])
    assert [integers.input, *(op.name for op in integers.ops)] == [
        'pixels', 'stem_0', 'chain_0', 'chain_2', 'widen', 'square', 'square_1', 'Add_0', 'MaxPool_0', 'Concat_0',
        'down_0', 'Resize_0', 'level0', 'level1',
    ]  # fmt: skip
    assert integers.outputs == ('level0', 'level1') and integers.input_shape == (3, SIDE, SIDE)
    assert [integers.formats[name].signed for name in ('stem_0', 'chain_0', 'chain_2', 'widen')] == [0, 1, 1, 0]
    assert integers.formats['level1'].bits == 32


@pytest.mark.parametrize('down', [(2, 2), (3, 2, 1)])
def test_a_pooling_that_halves_its_map(tmp_path, down):
    network = calibrated(lambda: Detector(down=down))
    write_qonnx(network, tmp_path / 'model.onnx', SIDE)
    integers = read_qonnx(tmp_path / 'model.onnx')
    assert first_difference(network, tmp_path / 'model.onnx', integers, images()) is None
    maps = integers.run(to_integers(images(), integers.input_format))
    assert maps['MaxPool_0'].shape[2:] == (SIDE // 4, SIDE // 4)


def test_two_pools_of_3_are_one_of_5(tmp_path, written):
    network = calibrated(lambda: Detector(pool=(3, 3)))
    write_qonnx(network, tmp_path / 'model.onnx', SIDE)
    integers, one = read_qonnx(tmp_path / 'model.onnx'), read_qonnx(written[1])
    assert first_difference(network, tmp_path / 'model.onnx', integers, images()) is None
    pixels = to_integers(images(), one.input_format)
    maps, others = integers.run(pixels), one.run(pixels)
    assert np.array_equal(maps['MaxPool_1'], others['MaxPool_0'])
    assert np.array_equal(maps['level0'], others['level0'])


def test_writing_leaves_the_console_and_the_network_as_they_were(tmp_path, capfd, written):
    network = written[0]
    before = network(torch.from_numpy(images()))
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        write_qonnx(network, tmp_path / 'model.onnx', SIDE)
    assert capfd.readouterr() == ('', '') and not caught
    after = network(torch.from_numpy(images()))
    assert not network.training and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_file_is_the_same_each_time(tmp_path, written):
    write_qonnx(written[0], tmp_path / 'model.onnx', SIDE)
    assert (tmp_path / 'model.onnx').read_bytes() == written[1].read_bytes()


def test_a_halved_scale_is_named(tmp_path, written):
    network, path = written

    def halve(model, stored):
        scale = stored[maker(model, 'down_0').input[1]]
        store(scale, numpy_helper.to_array(scale) / 2)

    path = changed(path, tmp_path, 'down_0', halve)
    with pytest.raises(UserError, match=r'heads_0 \(Conv\): bias in units of 2 \*\* -\d+ where the sum has'):
        read_qonnx(path)
    found = first_difference(network, path, None, images())
    assert (found.tensor, found.wrong, found.right) == ('down_0', 'qonnx', 'torch')
    assert 0 < found.mismatches <= found.size == 8 * 3 * 3 and found.image == 0
    assert str(found).startswith('down_0: ')


def test_a_halved_scale_before_a_layer_without_bias_is_named(tmp_path, written):
    network, path = written

    def halve(model, stored):
        scale = stored[maker(model, 'stem_0').input[1]]
        store(scale, numpy_helper.to_array(scale) / 2)

    path = changed(path, tmp_path, 'stem_0', halve)
    found = first_difference(network, path, read_qonnx(path), images())
    assert (found.tensor, found.wrong, found.right) == ('stem_0', 'qonnx', 'torch')


def test_a_transposed_weight_is_named(tmp_path, written):
    network, path = written

    def transpose(model, stored):
        layer = next(node for node in model.graph.node if node.name == 'square')
        weight = stored[maker(model, layer.input[1]).input[0]]
        store(weight, numpy_helper.to_array(weight).transpose(1, 0, 2, 3))

    path = changed(path, tmp_path, 'square', transpose)
    found = first_difference(network, path, read_qonnx(path), images())
    assert (found.tensor, found.wrong) == ('square', 'qonnx')


def test_one_wrong_weight_of_the_integers_is_named(written):
    network, path = written
    integers = read_qonnx(path)

    def wrong(op):
        weight = op.weight.copy()
        weight[2] += 1
        return replace(op, weight=weight)

    ops = tuple(wrong(op) if op.name == 'level1' else op for op in integers.ops)
    found = first_difference(network, path, replace(integers, ops=ops), images())
    assert (found.tensor, found.wrong, found.right) == ('level1', 'integers', 'torch')
    assert 0 < found.mismatches <= 3 * 3  # one channel


def test_only_a_late_image_may_tell(written):
    """A weight that meets zeros alone in the first images."""
    network, path = written
    integers = read_qonnx(path)
    dark = images()
    dark[:2, 0] = 0
    stem = integers.ops[0]
    weight = stem.weight.copy()
    weight[:, 0] ^= 64
    ops = (replace(stem, weight=weight), *integers.ops[1:])
    found = first_difference(network, path, replace(integers, ops=ops), dark)
    assert isinstance(stem, Conv) and (found.tensor, found.image) == ('stem_0', 2)


def test_saturated_maps_and_halves_are_equal(tmp_path):
    """Bright images through large weights: many sums are above the format, many lie on a half."""

    def build():
        return nn.Sequential(image_quantiser(), conv(3, 4, 1, bias=False), relu(), conv(4, 3, 1, last=True))

    network = calibrated(build)
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([1.0, 0.5, -0.5, 0.0625]).view(4, 1, 1, 1).expand(4, 3, 1, 1))
    write_qonnx(network, tmp_path / 'model.onnx', SIDE)
    integers = read_qonnx(tmp_path / 'model.onnx')
    assert first_difference(network, tmp_path / 'model.onnx', integers, images()) is None
    made = integers.run(to_integers(images(), integers.input_format))[integers.ops[0].name]
    assert (made == 255).any() and (made == 0).any()
