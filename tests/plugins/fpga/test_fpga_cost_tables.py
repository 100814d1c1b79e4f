"""Tables of the plugin's figures: nothing before they are measured; estimates are marked as such."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / 'benchmarks'


@pytest.fixture
def tables(monkeypatch, tmp_path):
    """The tables, of result files in ``tmp_path``."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import table_cells
    import tables_fpga

    monkeypatch.setattr(table_cells, 'RESULTS', tmp_path)
    return tables_fpga.TABLES


def write(folder: Path, name: str, figures: dict) -> None:
    (folder / f'{name}.json').write_text(json.dumps({'figures': figures}))


def test_nothing_is_measured_without_result_files(tables):
    assert {make() for make in tables.values()} == {'Not measured yet.'}
    assert set(tables) >= {'fpga_accuracy', 'fpga_csim', 'fpga_rtl', 'fpga_resources', 'fpga_network'}


def test_rows_are_the_figures(tables, tmp_path):
    names = ('cycles', 'element_cycles', 'macs', 'weight_bytes', 'map_bytes')
    figures = {f'dense.dense.{name}': 12e6 for name in names} | {f'4x.rebuild.{name}': 3e6 for name in names}
    write(tmp_path, 'fpga_network', figures)
    write(
        tmp_path, 'fpga_resources', {'16.dsp': 256, '16.bram': 127.5, '16.lut': 7454, '16.ff': 5110, 'xcup.16.dsp': 9}
    )
    accuracy = {'dense.float': 0.5, 'silu.dense.ptq.map': 0.25, 'silu.dense.ptq.map_std': 0.125}
    write(tmp_path, 'fpga_accuracy', accuracy)
    write(tmp_path, 'fpga_ptq_coco', {'float': 0.5, 'ptq': 0.25, 'ptq.loss': 0.25})
    write(tmp_path, 'fpga_rtl', {'mismatches': 0})
    cells = {
        f'ecp5.n4.{kind}.{what}': 1 for kind in ('MULT18X18D', 'DP16KD', 'TRELLIS_COMB') for what in ('used', 'share')
    }
    placed = {'ecp5.n4.mhz': 110.0, 'ecp5.n4.seed1.mhz': 99.0, 'ecp5.n4.seed2.mhz': 111.0, 'ecp5.n4.seeds': 2}
    write(tmp_path, 'fpga_place', cells | placed | {'ecp5.n4.cycles_320': 22e6, 'ecp5.n4.ms_frame_320': 200.0})
    row = '| 4 | 110.0 | 99.0 to 111.0 | 1 (100%) | 1 (100%) | 1 (100%) | 22.00 | 200 |'
    assert row in tables['fpga_place']()
    network = tables['fpga_network']().splitlines()
    assert len(network) == 4 and '1.00x' in network[2] and '4.00x' in network[3] and '3.00' in network[3]
    assert '| 256 | 127.5 | 7454 | 5110 |' in tables['fpga_resources']()
    _, _, silu, relu = tables['fpga_accuracy']().splitlines()
    assert silu == '| SiLU, dense | - | 0.250 ± 0.125 | - | - |' and relu == '| ReLU, dense | 0.500 | - | - | - |'
    assert tables['fpga_ptq_coco']().count('\n') == 3
    assert tables['fpga_rtl']().count('\n') == 2
    published = tables['fpga_published']().splitlines()
    assert any('553' in row and '1351' in row for row in published) and any('21.4' in row for row in published)
    own = [row for row in published if 'estimate' in row]
    assert len(own) == 2 and '(60.0)' in own[0] and '(15.0)' in own[1]  # cycles at an assumed 200 MHz
