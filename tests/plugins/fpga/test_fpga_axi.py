"""The accelerator behind AXI: its registers and ports, and random programs with stalls, resets and faults."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from amaranth.hdl import Module  # noqa: E402
from amaranth.sim import Simulator  # noqa: E402
from fpga_axi_case import random_case  # noqa: E402
from fpga_axi_runs import missing_cocotb, run_axi  # noqa: E402

from plugins.fpga.axi.bursts import BurstCutter  # noqa: E402
from plugins.fpga.axi.bus import PAGE, Bus  # noqa: E402
from plugins.fpga.axi.memory_image import code_bytes, instruction_bytes  # noqa: E402
from plugins.fpga.hardware.instructions import Compute, Load, encode  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.simulation.axi_simulator import AxiSimulator  # noqa: E402
from plugins.fpga.simulation.cycles import total_cycles  # noqa: E402
from plugins.fpga.simulation.simulate import missing_tool  # noqa: E402

SIZES = Sizes(4, activations=384, weights=1024, sums=32, biases=16, results=192, residuals=96, poisoned=True)


@pytest.mark.parametrize(
    'fields, words', [(dict(word=12, beat=4), 'word = 12'), (dict(word=4, beat=2), '4 to 128'),
                      (dict(word=4, beat=128, burst=64), '64 beats of 128'), (dict(word=4, beat=4, burst=24), '24')],
)  # fmt: skip
def test_widths_that_axi_does_not_have_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Bus(**fields)


@pytest.mark.parametrize('start, beats', [(0, 1), (0, 16), (4 * 1019, 40), (4 * 1023, 1), (4 * 7, 100)])
def test_bursts_cover_a_run_and_cross_no_page(start, beats):
    cutter, bursts = BurstCutter(Bus(4, 4)), []

    async def bench(ctx):
        for name, value in dict(address=start, beats=beats, run=1, allow=1, burst_ready=1).items():
            ctx.set(getattr(cutter, name), value)
        await ctx.tick()
        ctx.set(cutter.run, 0)
        while not ctx.get(cutter.idle):
            if ctx.get(cutter.burst):
                bursts.append((ctx.get(cutter.burst_address), ctx.get(cutter.length) + 1))
            await ctx.tick()

    m = Module()
    m.submodules.cutter = cutter
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    covered = [address + 4 * beat for address, length in bursts for beat in range(length)]
    assert covered == list(range(start, start + 4 * beats, 4))
    assert all(a // PAGE == (a + 4 * length - 1) // PAGE and length <= 16 for a, length in bursts)


@pytest.mark.parametrize('word, size', [(4, 56), (8, 56), (16, 64), (32, 64)])
def test_instructions_lie_in_whole_words(word, size):
    code = [Load(words=5, ddr=7), Compute(rows=3)]
    assert instruction_bytes(word) == size
    found = code_bytes(code, word)
    assert [int.from_bytes(found[i * size : (i + 1) * size], 'little') for i in (0, 1)] == [encode(x) for x in code]


def test_random_programs_survive_stalls_resets_aborts_and_faults(tmp_path):
    if missing := missing_cocotb():
        pytest.skip(missing)
    out = tmp_path / 'runs.jsonl'
    run_axi(SIZES, 16, range(10), out, tmp_path)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row['seed'] for row in rows] == list(range(10)) and len({row['kind'] for row in rows}) == 5
    for row in rows:
        assert (row['mismatches'], row['hangs'], row['misreported']) == (0, 0, 0), row
        assert row['cycles'] > 0


@pytest.fixture(scope='module')
def simulator(tmp_path_factory) -> AxiSimulator:
    if missing := missing_tool():
        pytest.skip(missing)
    return AxiSimulator(SIZES, 16, tmp_path_factory.mktemp('builds'))


@pytest.mark.parametrize('seed', range(8))
def test_a_compiled_memory_model_runs_programs_whatever_it_withholds(simulator, seed):
    case = random_case(np.random.default_rng(seed), SIZES)
    run = simulator.run_program(case.program, latency=7 * seed, stalls=(0, 20, 70)[seed % 3], seed=seed)
    assert case.mismatches(run.outside) == 0
    assert run.cycles > total_cycles(case.program.instructions, SIZES.n, latency=7 * seed)


def test_a_read_beyond_the_memory_behind_axi_fails(simulator):
    case = random_case(np.random.default_rng(0), SIZES)
    with pytest.raises(RuntimeError, match='a read beyond the memory'):
        simulator.run_program(replace(case.program, instructions=(Load(words=9, ddr=1 << 20),)))


def test_bits_that_are_no_instruction_are_an_error_behind_axi(simulator, monkeypatch):
    case = random_case(np.random.default_rng(0), SIZES)
    monkeypatch.setattr('plugins.fpga.simulation.axi_simulator.code_bytes', lambda code, word: b'\xff' * 56)
    with pytest.raises(RuntimeError, match='instruction 0 of 1: error <Error.INSTRUCTION'):
        simulator.run_program(replace(case.program, instructions=(Load(),)))
