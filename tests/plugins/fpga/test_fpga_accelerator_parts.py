"""Parts of the accelerator in Amaranth's simulator, and instructions as bits."""

import itertools
import re
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from amaranth.hdl import Module, Signal  # noqa: E402
from amaranth.sim import Simulator  # noqa: E402
from fpga_accelerator_cases import conv_case, run_in_python  # noqa: E402

from plugins.fpga.compiler.program import conv_program, output_of, place  # noqa: E402
from plugins.fpga.compiler.task import conv_task  # noqa: E402
from plugins.fpga.hardware.accelerator import Accelerator  # noqa: E402
from plugins.fpga.hardware.block_ram import block_ram  # noqa: E402
from plugins.fpga.hardware.instructions import KINDS, Load, decode, encode  # noqa: E402
from plugins.fpga.hardware.loop_nest import LoopNest  # noqa: E402
from plugins.fpga.hardware.mac_array import MacArray  # noqa: E402
from plugins.fpga.hardware.requantiser import Requantiser  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.hardware.verilog import verilog  # noqa: E402
from plugins.fpga.simulation.cycles import total_cycles  # noqa: E402

SMALL = Sizes(4, activations=256, weights=256, sums=64, biases=4, results=128, residuals=64, poisoned=True)


def simulate(design, bench) -> None:
    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@st.composite
def instructions(draw):
    kind = draw(st.sampled_from(KINDS))
    values = {}
    for x in fields(kind):
        least = x.metadata['less']
        values[x.name] = draw(st.integers(least, least + (1 << x.metadata['bits']) - 1))
    return kind(**values)


@given(instructions())
def test_instructions_survive_their_bits(instruction):
    assert decode(encode(instruction)) == instruction


def test_an_instruction_that_does_not_fit_is_refused():
    assert decode(encode(Load(start=-3))).start == 2**20 - 3  # an address wraps
    with pytest.raises(ValueError, match='runs'):
        encode(replace(Load(), runs=0))
    with pytest.raises(ValueError, match='words'):
        encode(replace(Load(), words=2**20 + 1))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.data())
@settings(max_examples=15)
def test_a_pointer_follows_its_loops(last, data):
    strides = data.draw(st.tuples(*[st.integers(0, 300)] * len(last)))
    m, start, advance = Module(), Signal(), Signal()
    nest = LoopNest(m, [Signal(2, init=x) for x in last], start, advance)
    pointer, found = nest.pointer(7, strides, 8, 'pointer'), []
    steps = list(itertools.product(*(range(x + 1) for x in last)))

    async def bench(ctx):
        ctx.set(start, 1)
        await ctx.tick()
        ctx.set(start, 0)
        ctx.set(advance, 1)
        for _ in steps:
            found.append((ctx.get(pointer), ctx.get(nest.ends[0])))
            await ctx.tick()

    simulate(m, bench)
    expected = [(7 + sum(i * s for i, s in zip(step, strides, strict=True))) % 256 for step in steps]
    assert found == [(address, int(step == steps[-1])) for address, step in zip(expected, steps, strict=True)]


@pytest.mark.parametrize('paired', [False, True])
@pytest.mark.parametrize(('n', 'signed'), [(4, False), (4, True), (12, True)])
def test_the_array_multiplies_while_the_next_tile_is_loaded(n, signed, paired):
    tiles, places = 3, n + 2
    rng, array, found = np.random.default_rng(0), MacArray(n, paired), []
    weights = rng.integers(-128, 128, (tiles + 1, n, n))
    x = rng.integers(-128 if signed else 0, 128 if signed else 256, (tiles, places, n))
    x[0, 0], weights[0, 0] = (-128, -128) if signed else (255, 127)  # the largest sums
    weights[0, 1], weights[1, :2] = -128, -128  # the smallest: both of a pair, and above one that borrows
    x[1, 0] = -128 if signed else 255

    async def bench(ctx):
        for cycle in range(-n, tiles * places + array.latency):
            tile, place_ = divmod(cycle, places) if cycle >= 0 else (-1, cycle + n)
            ctx.set(array.load, int(place_ < n))
            ctx.set(array.row, place_ % n)
            ctx.set(array.swap, int(cycle >= 0 and place_ == 0))
            for lane in range(n):
                ctx.set(array.weights[lane], int(weights[min(tile + 1, tiles), place_ % n, lane]))
            if 0 <= cycle < tiles * places:
                for lane in range(n):
                    ctx.set(array.activations[lane], int(x[cycle // places, cycle % places, lane]))
            if cycle >= array.latency:
                found.append([ctx.get(array.sums[lane]) for lane in range(n)])
            await ctx.tick()

    simulate(array, bench)
    expected = np.einsum('tpi,toi->tpo', x, weights[:tiles]).reshape(-1, n)
    np.testing.assert_array_equal(found, expected)


FOUR_SUMS = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=4, max_size=4)


@given(FOUR_SUMS, st.lists(st.integers(0, 31), min_size=4, max_size=4), *[st.booleans()] * 2)
@settings(max_examples=60)
def test_halves_go_to_the_even_neighbour_with_a_shift_for_each_lane(sums, shifts, signed, wide):
    shift = shifts[0]
    sums[0] = max(-(2**31), min(2**31 - 1, (sums[0] >> shift << shift) + (1 << shift >> 1)))  # a half
    design, found = Requantiser(4), []

    async def bench(ctx):
        ctx.set(design.signed, signed)
        ctx.set(design.wide, wide)
        for lane, own in enumerate(shifts):
            ctx.set(design.shifts[lane], own)
        await ctx.tick()  # shifts come one cycle before
        for lane, value in enumerate(sums):
            ctx.set(design.shifts[lane], 31 - shifts[lane])  # those of the next sums
            ctx.set(design.sums[lane], value)
        for _ in range(design.latency):
            await ctx.tick()
        found.extend(ctx.get(design.results[lane]) for lane in range(4))

    simulate(design, bench)
    low, high = (-512, 511) if wide else (-128, 127) if signed else (0, 255)
    rounded = [round(Fraction(x, 1 << own)) for x, own in zip(sums, shifts, strict=True)]
    bits = 1023 if wide else 255
    assert [x & bits for x in found] == [min(max(x, low), high) & bits for x in rounded]


@pytest.mark.parametrize('kind', [dict(channel_scales=True, table=True), dict(ranks=(3, 5))], ids=['table', 'cores'])
def test_the_whole_accelerator_in_python(kind):
    case = conv_case(1, 5, 6, (4, 5), stride=2, **kind)
    program = conv_program(case.op, case.x, case.source, SMALL)
    outside, cycles = run_in_python(Accelerator(SMALL), program)
    task = conv_task(case.op, case.source, 4, 5)
    np.testing.assert_array_equal(output_of(task, outside, place(task.parts(4))['output']), case.expected)
    assert cycles == total_cycles(program.instructions, 4, latency=3)


@pytest.mark.parametrize('poisoned', [False, True])
def test_a_word_read_while_it_is_written_is_unknown_to_a_poisoned_memory_alone(poisoned):
    m = Module()
    write, read, word = block_ram(m, 'ram', 8, 16, poisoned=poisoned)

    async def bench(run):
        run.set(write.en, 1)
        run.set(write.data, 5)
        run.set(write.addr, 3)
        await run.tick()
        run.set(read.addr, 3)
        await run.tick()
        assert run.get(word) == (250 if poisoned else 5)  # the old word is 5 too
        run.set(write.addr, 4)
        await run.tick()
        assert run.get(word) == 5

    simulate(m, bench)


def test_synthesis_may_leave_out_the_logic_of_such_a_word():
    text = verilog(SMALL)
    found = re.findall(r'(\(\* no_rw_check = .*\n)? *reg \[.*\] (\S+) \[.*\];', text)
    memories = {name: mark for mark, name in found if name != 'storage'}  # without the queues of instructions
    assert len(memories) == 6 + SMALL.n and all(memories.values())  # activations ... sums1, a table a lane


def test_no_name_looks_like_a_bit_of_another_signal():
    """yosys connected bit 5 of ``results`` to its lane 5, called ``results[5]``."""
    text = verilog(SMALL)
    assert '\\sums.3 ' in text and not re.search(r'\\\S*\[\d+\]\S* ', text)
