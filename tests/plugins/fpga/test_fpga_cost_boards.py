"""Boards: the known ones, a user's own file, and errors of one line; whether a design fits; estimates of time."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.cost.boards import Board, board_of, known_boards, read_board  # noqa: E402
from plugins.fpga.cost.fit import fit, frame_seconds  # noqa: E402
from plugins.fpga.cost.network import Cost  # noqa: E402
from plugins.fpga.cost.resources import Resources  # noqa: E402

OWN = dict(
    name='own', part='X1', family='xc7', dsp=100, bram36=50, lut=1000, ff=2000, ddr_bytes_per_second=1e9, clock_mhz=100
)  # fmt: skip
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@pytest.mark.parametrize(
    'name, part, blocks', [('PYNQ-Z2', 'xc7z020clg400-1', (220, 140)), ('ZCU104', 'xczu7ev-ffvc1156-2-e', (1728, 312))]
)
def test_known_boards(name, part, blocks):
    board = read_board(name)
    assert (board.part, board.dsp, board.bram36) == (part, *blocks)
    assert set(known_boards()) == {'PYNQ-Z2', 'ZCU104', 'Alveo U250'}


def test_a_board_in_one_file(tmp_path):
    path = tmp_path / 'own.json'
    path.write_text(json.dumps(OWN))
    assert asdict(read_board(path)) == OWN | dict(uram=0)


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(family='virtex'), "family: 'virtex' found; write xc7 or xcup"),
        (dict(dsp=1.5), 'dsp: 1.5 found; write a whole number'),
        (dict(lut=0), 'lut: 0 found'),
        (dict(ff=True), 'ff: True found'),
        (dict(clock_mhz='fast'), "clock_mhz: 'fast' found; write a number"),
        (dict(volts=1), 'volts: no field of a board'),
        (dict(dsp=None), 'dsp: None found'),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, words):
    path = tmp_path / 'own.json'
    path.write_text(json.dumps(OWN | change))
    with pytest.raises(UserError) as error:
        read_board(path)
    assert str(error.value).startswith(f'{path}: ') and words in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('text', ['', '{', '[]', '3', '{}', '\ufeff{}', '[' * 5000])
def test_a_file_that_is_no_board_is_one_line(tmp_path, text):
    path = tmp_path / 'own.json'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(UserError) as error:
        read_board(path)
    assert '\n' not in str(error.value)


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match='board: Z9: not known; take one of PYNQ-Z2, ZCU104, Alveo U250'):
        read_board('Z9')
    with pytest.raises(UserError, match='does not open'):
        read_board(tmp_path / 'missing.json')


@given(st.dictionaries(st.sampled_from([*OWN, 'uram', 'more']), ANYTHING), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_values_are_a_board_or_one_error(values, whole):
    try:
        board = board_of((OWN if whole else {}) | values, 'f.json')
    except UserError as error:
        assert str(error).startswith('f.json: ') and '\n' not in str(error)
        return
    assert board.dsp > 0 and board.uram >= 0 and 0 < board.clock_mhz < float('inf')


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 3000), st.integers(1, 3000))
def test_a_design_fits_when_no_block_is_short(dsp, half_blocks, lut, ff):
    found = fit(board_of(OWN, ''), Resources(dsp, half_blocks / 2, lut, ff), 'xc7')
    short = [name for name, wrong in zip(
        ('DSP', 'BRAM', 'LUT', 'FF'), (dsp > 100, half_blocks > 100, lut > 1000, ff > 2000), strict=True
    ) if wrong]  # fmt: skip
    assert list(found.too_much) == short and found.fits == (not short)


def test_resources_of_another_family_are_refused():
    with pytest.raises(UserError, match='own: family: resources of xcup; synthesise for xc7'):
        fit(board_of(OWN, ''), Resources(1, 1, 1, 1), 'xcup')


def test_a_frame_takes_its_cycles_or_what_the_memory_needs():
    board: Board = board_of(OWN, '')  # 100 MHz
    cost = Cost(cycles=1000, weight_bytes=4000, in_bytes=8000, out_bytes=4000)
    assert frame_seconds(replace(board, ddr_bytes_per_second=1.6e9), cost) == pytest.approx(1000 / 1e8)
    assert frame_seconds(replace(board, ddr_bytes_per_second=0.8e9), cost) == pytest.approx(2000 / 1e8)
    assert frame_seconds(replace(board, ddr_bytes_per_second=9e9), cost) == pytest.approx(1000 / 1e8)
