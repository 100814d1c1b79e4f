"""Programs without simulation: layouts, what does not fit is refused, bytes that are fetched."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from fpga_accelerator_cases import conv_case, conv_cases  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.compiler.elementwise import ElementTask  # noqa: E402
from plugins.fpga.compiler.fold_stride import can_fold, fold_conv, fold_map  # noqa: E402
from plugins.fpga.compiler.layout import bias_words, map_of_words, map_words, weight_words  # noqa: E402
from plugins.fpga.compiler.program import conv_program  # noqa: E402
from plugins.fpga.compiler.task import conv_task  # noqa: E402
from plugins.fpga.hardware.instructions import TABLE, TABLE_WORDS, TABLES, Compute, Memory, encode  # noqa: E402
from plugins.fpga.hardware.limits import BIAS_BITS, MAX_BIAS, MAX_SHIFT  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.integers.integer_network import Conv, Format  # noqa: E402
from plugins.fpga.simulation.cycles import total_cycles  # noqa: E402
from plugins.fpga.simulation.traffic import bytes_by_part, cycles_by_part, task_program  # noqa: E402


@given(st.integers(1, 20), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.sampled_from([4, 8]))
def test_maps_survive_their_words(channels, rows, cols, signed, n):
    form = Format(0, signed)
    x = np.random.default_rng(channels).integers(form.low, form.high + 1, (channels, rows, cols))
    words = map_words(x, n)
    assert words.shape == (-(-channels // n), rows, cols, n)
    np.testing.assert_array_equal(map_of_words(words, channels, signed), x)


def test_a_weight_and_a_bias_lie_where_they_are_read():
    rng = np.random.default_rng(0)
    weight, bias = rng.integers(-128, 128, (9, 6, 3, 2)), rng.integers(-MAX_BIAS, MAX_BIAS + 1, 9)
    shifts = rng.integers(0, MAX_SHIFT + 1, 9)
    words, entries = weight_words(weight, 4), bias_words(bias, shifts, 4)
    for o, i, y, x in np.ndindex(weight.shape):
        assert words[o // 4, y, x, i // 4, o % 4, i % 4].view(np.int8) == weight[o, i, y, x]
    assert words.shape == (3, 3, 2, 2, 4, 4) and not words[2, :, :, :, 1:].any() and not words[..., 1, :, 2:].any()
    entries = entries.reshape(3, 16).view('<i4').ravel().astype(np.int64)
    assert not entries[9:].any()
    assert ((entries[:9] & 0xFFFFFFFF) >> BIAS_BITS).tolist() == shifts.tolist()
    assert (entries[:9] << (64 - BIAS_BITS) >> (64 - BIAS_BITS)).tolist() == bias.tolist()


@given(st.integers(1, 3), st.sampled_from([2, 4, 6]), st.sampled_from([0, 2]))
def test_a_folded_convolution_has_the_same_sums(channels, kernel, padding):
    case = conv_case(kernel, channels, 5, (8, 6), kernel=kernel, stride=2, padding=padding)
    assert can_fold(case.op, 8, 6) and not can_fold(case.op, 7, 6)
    folded = fold_conv(case.op)
    np.testing.assert_array_equal(folded.run(fold_map(case.x)[None], case.source)[0], case.expected)


@given(conv_cases(), st.integers(7, 10), st.integers(7, 10), st.integers(4, 6))
def test_a_program_stays_inside_its_memories_or_is_refused(case, activations, weights, sums):
    sizes = Sizes(4, 1 << activations, 1 << weights, 1 << sums, 2, 1 << activations - 1, 1 << activations - 1)
    try:
        program = conv_program(case.op, case.x, case.source, sizes)
    except UserError as error:
        assert str(error).startswith('conv: ') and '\n' not in str(error)
        return
    depth = {Memory.ACTIVATIONS: sizes.activations, Memory.WEIGHTS: sizes.weights, Memory.BIASES: 4 * sizes.biases}
    depth |= {Memory.RESULTS: sizes.results, Memory.SUMS: 8 * sizes.sums}
    for x in program.instructions:
        encode(x)
        if not isinstance(x, Compute) and x.memory == Memory.BIASES and x.start >= TABLE:
            assert (x.start - TABLE) % TABLE_WORDS == 0 and x.start < TABLE + TABLES * TABLE_WORDS
            assert (x.words, x.runs) == (TABLE_WORDS, 1)
        elif not isinstance(x, Compute):
            assert x.start + (x.runs - 1) * x.step + x.words <= depth[x.memory]
            assert x.ddr + (x.runs - 1) * x.ddr_step + x.words <= len(program.outside)


def test_cores_are_fetched_instead_of_weights():
    case = conv_case(0, 64, 64, (5, 5), ranks=(16, 16))
    task, sizes = conv_task(case.op, case.source, 5, 5), Sizes(16)
    program, starts = task_program(task, sizes)
    fetched = bytes_by_part(program, 16, starts)['load weights']
    assert fetched == task.weight_bytes(16) == case.op.cores.bytes + 4 * 64
    assert replace(task, cores=None).weight_bytes(16) == 64 * 64 * 9 + 4 * 64


def test_cycles_and_bytes_by_part_are_those_of_the_program():
    case = conv_case(0, 64, 64, (15, 15), ranks=(16, 16))
    task, sizes = conv_task(case.op, case.source, 15, 15), Sizes(16, 1024, 2048, 64, 8)  # cut in groups and tiles
    program, starts = task_program(task, sizes)
    assert program == conv_program(case.op, case.x, case.source, sizes).instructions
    spent, moved = cycles_by_part(program, 16, starts), bytes_by_part(program, 16, starts)
    assert max(spent.values()) < total_cycles(program, 16) < sum(spent.values())  # some of it beside each other
    assert set(spent) == {'compute', 'rebuild', 'load weights', 'load maps', 'store'}
    assert spent['compute'] >= task.macs / 256
    assert moved['store'] == 64 * 15 * 15
    assert moved['load weights'] == task.weight_bytes(16)  # cores are fetched once
    assert moved['load maps'] > 64 * 15 * 15  # rows around a tile are fetched twice
    pool, starts = task_program(ElementTask('pool', 16, 5, 5, kernel=(5, 1), edges=(2, 0)), sizes)
    assert bytes_by_part(pool, 16, starts) == {'load weights': 256, 'load maps': 400, 'store': 400}


@pytest.mark.parametrize(
    'change, word',
    [
        (dict(stride=3), 'stride'),
        (dict(weight_frac=-9), 'shift'),
        (dict(weight_frac=np.array([7, 7, 7, 28])), 'shift'),
        (dict(bias=np.array([0, 0, MAX_BIAS + 1, 0])), 'bias'),
        (dict(padding=16), 'padding'),
    ],
)
def test_a_convolution_that_cannot_run_is_refused(change, word):
    case = conv_case(0, 4, 4, (20, 20))
    with pytest.raises(UserError, match=f'conv: {word}'):
        conv_task(replace(case.op, **change), case.source, 20, 20)


def test_sums_that_the_accumulators_may_not_hold_are_refused():
    most = (2**31 - MAX_BIAS) // (255 * 128)  # inputs whose smallest sum, with the smallest bias, is within 32 bits
    for inputs, fits in ((most, True), (most + 1, False)):
        op = Conv(
            'conv', ('x',), np.full((1, inputs, 1, 1), -128, np.int8), 7, np.array([-MAX_BIAS]), out=Format(4, True)
        )
        with nullcontext() if fits else pytest.raises(UserError, match='conv: sums: .* within 32 bits'):
            assert conv_task(op, Format(8, False), 1, 1).in_channels == inputs
