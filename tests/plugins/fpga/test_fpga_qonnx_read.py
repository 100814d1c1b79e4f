"""What the integer network does not have is refused in one line that names the node; any bytes are one error."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from detplug.errors import UserError
from plugins.fpga.integers.integer_network import Format
from plugins.fpga.qonnx import read_qonnx

QUANT = 'qonnx.custom_op.general'
RNG = np.random.default_rng(0)


class File:
    """A QONNX file made node by node; every method returns the name of the tensor that it makes."""

    def __init__(self):
        self.nodes, self.stored, self.shapes = [], [], {}

    def store(self, value):
        self.stored.append(numpy_helper.from_array(np.asarray(value, np.float32), f'stored{len(self.stored)}'))
        return self.stored[-1].name

    def add(self, kind, *sources, shape=None, **said):
        name = f'{kind}{len(self.nodes)}'
        domain = QUANT if kind == 'Quant' else ''
        self.nodes.append(helper.make_node(kind, sources, [name], f'node_{name}', domain=domain, **said))
        if shape:
            self.shapes[name] = shape
        return name

    def quant(self, source, scale=2**-8, zero=0.0, bits=8.0, signed=0, narrow=0, rounding_mode='ROUND'):
        parameters = [self.store(value) for value in (scale, zero, bits)]
        return self.add('Quant', source, *parameters, signed=signed, narrow=narrow, rounding_mode=rounding_mode)

    def conv(self, source, shape=(4, 3, 1, 1), scale=2**-7, bias=None, weight=None, **said):
        weight = self.store(RNG.normal(0, 0.3, shape) if weight is None else weight)
        inputs = [source, self.quant(weight, scale, signed=1, narrow=1)]
        if bias is not None:
            inputs.append(self.quant(self.store(np.ones(shape[0])), bias, bits=32.0, signed=1))
        return self.add('Conv', *inputs, **dict(kernel_shape=shape[2:], pads=[shape[2] // 2] * 4) | said)

    def save(self, path, *outputs, side=6):
        def info(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            'graph',
            [info('images', [1, 3, side, side])],
            [info(name, ('N', 'C', 'H', 'W')) for name in outputs],
            self.stored,
            value_info=[info(name, shape) for name, shape in self.shapes.items() if name not in outputs],
        )
        opsets = [helper.make_opsetid('', 20), helper.make_opsetid(QUANT, 2)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
        return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'model.onnx'


def layer(file, source, **settings):
    """Convolution, ReLU, unsigned quantiser."""
    return file.quant(file.add('Relu', file.conv(source, **settings)), 2**-5)


def test_a_hand_written_file_is_read(path):
    file = File()
    weight = np.array([[[[0.5]], [[0.25]], [[-0.26]]]])
    x = layer(file, file.add('Identity', file.quant('images')), shape=(1, 3, 1, 1), weight=weight, bias=2**-15)
    network = read_qonnx(file.save(path, x))
    (conv,) = network.ops
    assert conv.weight.ravel().tolist() == [64, 32, -33] and conv.weight_frac == 7 and conv.bias.tolist() == [32768]
    assert network.input_format == Format(8, signed=False) and conv.out == Format(5, signed=False)
    image = np.array([200, 100, 50]).reshape(1, 3, 1, 1)
    # (64 200 + 32 100 - 33 50 + 32768) / 2 ** 10 = 46.01
    assert network.run(image)[x].ravel().tolist() == [46]


def test_the_smallest_weight_is_left_out_of_a_narrow_range(path):
    file = File()
    x = layer(file, file.quant('images'), shape=(1, 3, 1, 1), weight=np.array([[[[-9]], [[9]], [[-1]]]]))
    assert read_qonnx(file.save(path, x)).ops[0].weight.ravel().tolist() == [-127, 127, -127]


def test_casts_and_a_second_equal_quantiser_are_noise(path):
    file = File()
    x = layer(file, file.add('Cast', file.quant('images'), to=TensorProto.FLOAT))
    y = layer(file, file.quant(file.add('Relu', x), 2**-5), shape=(4, 4, 1, 1))
    network = read_qonnx(file.save(path, y))
    assert [op.name for op in network.ops] == [x, y] and network.ops[1].sources == (x,)


def test_an_upsampling_by_scales_is_read(path):
    file = File()
    x = file.quant('images')
    file.shapes[x] = [1, 3, 6, 6]
    up = dict(mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    y = file.add('Resize', x, '', file.store([1, 1, 2, 2]), shape=[1, 3, 12, 12], **up)
    network = read_qonnx(file.save(path, layer(file, y)))
    pixels = np.arange(108).reshape(1, 3, 6, 6)
    assert np.array_equal(network.run(pixels)[y], np.kron(pixels, np.ones((1, 1, 2, 2))))


@pytest.mark.parametrize('bits', [8, 9, 10])
def test_a_table_and_a_scale_a_channel_are_read(path, bits):
    half, values = 1 << bits - 1, RNG.integers(-128, 128, 1 << bits) / 2**4
    file, fracs = File(), np.array([7, 9, 4, 7])
    sums = file.conv(file.quant('images'), scale=2.0 ** -fracs.reshape(4, 1, 1, 1), bias=2.0 ** -(fracs + 8))
    index = file.quant(sums, 2**-5, signed=1, bits=float(bits))
    name = file.quant(look_up(file, index, offset=float(half), values=values), 2**-4, signed=1)
    network = read_qonnx(file.save(path, name))
    (conv,) = network.ops
    assert conv.name == name and conv.weight_frac.tolist() == fracs.tolist() and conv.out == Format(4, signed=True)
    assert conv.bias.tolist() == (2 ** (fracs + 8)).tolist() and conv.table.format == Format(5, True, bits)
    assert conv.table.values.tolist() == (values * 16).tolist()
    image = np.array([200, 100, 50]).reshape(1, 3, 1, 1)
    units = 2.0 ** -(fracs + 8)
    sums = (np.tensordot(conv.weight[:, :, 0, 0], image[0, :, 0, 0], 1) + conv.bias) * units
    rounded = np.clip(np.rint(sums * 2**5), -half, half - 1).astype(int)
    assert network.run(image)[name].ravel().tolist() == (values * 16)[rounded + half].tolist()


def test_a_sum_has_the_zero_points_of_what_is_added(path):
    file = File()
    one, other = (table(zero=zero, out_signed=0)(file) for zero in (3.0, 5.0))
    name = file.quant(file.add('Add', one, other), 2**-3, 4.0)
    network = read_qonnx(file.save(path, layer(file, name, shape=(4, 4, 1, 1))))
    maps = network.run(np.arange(108).reshape(1, 3, 6, 6) * 2)
    total = (maps[one] + maps[other]) / 2
    assert np.array_equal(maps[name], np.clip(np.rint(total), 0, 255)) and total.max() < 255 and np.ptp(total) > 9


def test_wide_integers_are_refused_where_no_table_reads_them(path):
    file = File()
    wide = file.quant(file.conv(file.quant('images')), 2**-5, signed=1, bits=10.0)
    with pytest.raises(UserError, match=f'{wide}.*: 10 bits where 8 are needed; use more in front of a table alone'):
        read_qonnx(file.save(path, layer(file, wide)))


def bad_quantiser(**settings):
    return lambda file: file.quant(file.conv(file.quant('images')), **dict(scale=2**-5) | settings)


def bad_conv(**settings):
    return lambda file: layer(file, file.quant('images'), **settings)


def second(make):
    """``make`` of a file and its first quantised map."""
    return lambda file: make(file, layer(file, file.quant('images')))


VALUES = RNG.integers(-128, 128, 256) / 2**4


def look_up(file, source, factor=2**5, offset=128.0, values=VALUES):
    """Values of a table at the integers of ``source``."""
    index = file.add('Add', file.add('Mul', source, file.store(factor)), file.store(offset))
    return file.add('Gather', file.store(values), file.add('Cast', index, to=TensorProto.INT64), axis=0)


def table(signed=1, other=False, zero=0.0, out_signed=1, **settings):
    """A convolution, rounded, and a table; ``other`` reads the rounded sums too."""

    def make(file):
        x = file.quant(file.conv(file.quant('images')), 2**-5, signed=signed)
        y = file.quant(look_up(file, x, **settings), 2**-4, zero, signed=out_signed)
        return file.quant(file.add('Add', x, y), 2**-4, signed=1) if other else y

    return make


REFUSED = {
    'scale': (bad_quantiser(scale=0.3), r'Quant\d+ \(Quant\): scale 0.3\d+ is no power of two'),
    'zero scale': (bad_quantiser(scale=0.0), 'scale 0 is no power of two'),
    'negative scale': (bad_quantiser(scale=-0.5), 'scale -0.5 is no power of two'),
    'nan scale': (bad_quantiser(scale=np.nan), 'scale nan is no power of two'),
    'zero point': (bad_quantiser(zero=3.0), 'zero point 3; use one behind a table'),
    'broken zero point': (table(zero=2.5, out_signed=0), 'zero point 2.5'),
    'signed zero point': (table(zero=3.0), 'zero point 3; use the FixedPoint'),
    'sum with zero point': (
        lambda file: file.quant(file.add('Add', *[table(zero=3.0, out_signed=0)(file)] * 2), 2**-4, signed=1),
        'zero point 0 of a sum; use 6, that of what is added',
    ),
    'channel scales': (bad_quantiser(scale=np.full((1, 4, 1, 1), 0.5)), '4 scales, one a channel'),
    'weight scales': (
        bad_conv(scale=np.full((1, 3, 1, 1), 0.5)),
        r'scales \(1, 3, 1, 1\) of 4 channels; use the FixedPoint',
    ),
    'a weight scale': (bad_conv(scale=np.reshape([0.5, 0.3, 0.5, 1], (4, 1, 1, 1))), r'scale 0.3\d+ is no power'),
    'scales of a result': (
        second(lambda file, x: file.conv(x, (4, 4, 1, 1), np.reshape([0.5, 1, 1, 1], (4, 1, 1, 1)))),
        r'\(Conv\): its sums have a scale a channel',
    ),
    'table size': (table(values=VALUES[:128]), r'\(Gather\): a table of shape \(128,\)'),
    'table offset': (table(offset=127.0), 'its index plus 127'),
    'table factor': (table(factor=2.0), r'\(Gather\): looks up Format\(frac=5.*integers times 2'),
    'table of unsigned': (table(signed=0), r'\(Gather\): looks up Format'),
    'table without index': (
        second(lambda file, x: file.add('Gather', file.store(VALUES), file.add('Cast', x, to=TensorProto.INT64))),
        'its index is not made by Mul, Add, Cast',
    ),
    'table of a map': (second(lambda file, x: file.quant(look_up(file, file.add('Add', x, x)), signed=1)), 'Gather'),
    'table and another reader': (table(other=True), r'looks up no convolution of its own|is not quantised'),
    'table without quantiser': (
        lambda file: look_up(file, file.quant(file.conv(file.quant('images')), 2**-5, signed=1)),
        'neither a quantised map',
    ),
    'bits': (bad_quantiser(bits=4.0), '4 bits where 8 to 10 are needed'),
    'rounding': (bad_quantiser(rounding_mode='FLOOR'), 'rounding mode FLOOR'),
    'narrow': (bad_quantiser(narrow=1, signed=1), 'a narrow range for a map'),
    'weight scale': (bad_conv(scale=0.01), 'is no power of two'),
    'bias scale': (bad_conv(bias=2**-14), r'node_Conv\d+ \(Conv\): bias in units of 2 \*\* -14 where .* -15'),
    'groups': (bad_conv(shape=(3, 1, 1, 1), group=3), 'groups or dilation'),
    'dilation': (bad_conv(shape=(4, 3, 3, 3), dilations=[2, 2]), 'groups or dilation'),
    'uneven strides': (bad_conv(strides=[1, 2]), r'strides \[1, 2\]'),
    'uneven padding': (bad_conv(pads=[0, 0, 1, 1]), r'pads \[0, 0, 1, 1\]'),
    'image scale': (lambda file: layer(file, file.quant('images', 2**-7)), 'the image becomes integers of'),
    'signed image': (lambda file: layer(file, file.quant('images', signed=1)), 'the image becomes integers of'),
    'float image': (lambda file: layer(file, 'images'), 'its input images is not quantised'),
    'float weight': (
        lambda file: file.quant(file.add('Conv', file.quant('images'), file.store(np.ones((2, 3, 1, 1))))),
        'its weight is not quantised',
    ),
    'float map': (second(lambda file, x: file.conv(file.conv(x, (4, 4, 1, 1)), (4, 4, 1, 1))), 'is not quantised'),
    'float output': (second(lambda file, x: file.add('Add', x, x)), 'neither a quantised map nor the sums'),
    'relu output': (second(lambda file, x: file.add('Relu', file.conv(x, (4, 4, 1, 1)))), 'neither a quantised map'),
    'signed after relu': (
        second(lambda file, x: file.quant(file.add('Relu', file.conv(x, (4, 4, 1, 1))), signed=1)),
        'signed integers after a Relu',
    ),
    'relu after signed': (
        second(lambda file, x: file.add('Relu', file.quant(file.conv(x, (4, 4, 1, 1)), signed=1))),
        'a Relu after a signed quantiser',
    ),
    'rounded twice': (second(lambda file, x: file.quant(x, 2**-4)), 'once more, to another scale'),
    'add scales': (
        second(lambda file, x: file.quant(file.add('Add', x, file.quant(file.conv(x, (4, 4, 1, 1)), 2**-4)))),
        r'node_Add\d+ \(Add\): its sources have several scales: 2 \*\* -5 unsigned, 2 \*\* -4 unsigned',
    ),
    'concat signs': (
        second(lambda file, x: file.add('Concat', x, file.quant(file.conv(x, (4, 4, 1, 1)), 2**-5, signed=1), axis=1)),
        r'\(Concat\): its sources have several scales',
    ),
    'concat axis': (second(lambda file, x: file.add('Concat', x, x, axis=2)), 'axis 2'),
    'pool stride': (
        second(lambda file, x: file.add('MaxPool', x, kernel_shape=[3, 3], strides=[3, 3])),
        r'\(MaxPool\): a pooling of \(3, 3\), stride \(3, 3\)',
    ),
    'pool shrinks': (
        second(lambda file, x: file.add('MaxPool', x, kernel_shape=[5, 5])),
        r'pooling of \(5, 5\), stride \(1,\), padding',
    ),
    'sigmoid': (second(lambda file, x: file.add('Sigmoid', x)), r'node_Sigmoid\d+ \(Sigmoid\): no such operator'),
    'resize without shapes': (
        second(lambda file, x: file.add('Resize', x, '', file.store([1, 1, 2, 2]), mode='nearest')),
        'the shape of .* is not stored',
    ),
    'input count': (lambda file: file.add('Quant', 'images', file.store(1.0)), '2 inputs'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_it_is_refused_in_one_line(name, path):
    make, message = REFUSED[name]
    file = File()
    output = make(file)
    with pytest.raises(UserError, match=message) as error:
        read_qonnx(file.save(path, output))
    assert str(error.value).startswith(f'{path}: ') and '\n' not in str(error.value) and '; ' in str(error.value)


@pytest.mark.parametrize('mode', ['linear', 'nearest'])
def test_other_resizing_is_refused(path, mode):
    file = File()
    x = file.quant('images')
    file.shapes[x] = [1, 3, 6, 6]
    y = file.add('Resize', x, '', file.store([1, 1, 2, 2]), shape=[1, 3, 12, 12], mode=mode)  # half_pixel
    with pytest.raises(UserError, match=r'\(Resize\): .* -> .*, mode'):
        read_qonnx(file.save(path, layer(file, y)))


def test_a_result_that_nothing_reads_is_refused(path):
    file = File()
    x = layer(file, file.quant('images'))
    file.conv(x, (4, 4, 1, 1))
    with pytest.raises(UserError, match=r'\(Conv\): its result is not used'):
        read_qonnx(file.save(path, x))


def test_a_map_that_is_also_read_before_its_quantiser_is_refused(path):
    file = File()
    sums = file.conv(file.quant('images'))
    x = file.quant(sums, 2**-5)
    with pytest.raises(UserError, match=f'output {sums}: is neither'):
        read_qonnx(file.save(path, x, sums))


def test_no_file_is_refused(path):
    with pytest.raises(UserError, match='no such file'):
        read_qonnx(path)


@settings(max_examples=200)
@given(data=st.data())
def test_any_bytes_are_a_network_or_one_error(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    file = File()
    whole = file.save(folder / 'whole.onnx', layer(file, file.quant('images'))).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=30))
    end = data.draw(st.integers(start, len(whole)))
    (folder / 'noise.onnx').write_bytes(whole[:start] + noise + whole[end:])
    try:
        read_qonnx(folder / 'noise.onnx')
    except UserError as error:
        assert '\n' not in str(error)
