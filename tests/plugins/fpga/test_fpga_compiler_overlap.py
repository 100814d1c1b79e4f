"""Loads, computes and stores beside each other: who waits for whom, where tiles go, additions in convolutions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from fpga_accelerator_cases import conv_cases  # noqa: E402
from fpga_cost_networks import FORM, SIZES, conv, networks  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.compiler.chip import Chip  # noqa: E402
from plugins.fpga.compiler.dependencies import OLDEST, UNITS, areas, dependent  # noqa: E402
from plugins.fpga.compiler.elementwise import element_tasks  # noqa: E402
from plugins.fpga.compiler.fuse_add import fused_adds  # noqa: E402
from plugins.fpga.compiler.network import network_program  # noqa: E402
from plugins.fpga.compiler.plan import SHARE  # noqa: E402
from plugins.fpga.compiler.program import conv_program  # noqa: E402
from plugins.fpga.hardware.instructions import Compute, Load, Memory, Store  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.integers.integer_network import Add, Format, IntegerNetwork, Upsample  # noqa: E402
from plugins.fpga.simulation.cycles import cycles, timeline, total_cycles  # noqa: E402


def words(areas_) -> set:
    return {(memory, word) for memory, first, end in areas_ for word in range(first, end)}


def check_order(instructions, sizes) -> int:
    """Every two instructions of different units that touch a word, one writing, are in order; how many there are."""
    touched, numbers, counts, pairs = [], [], [0, 0, 0], 0
    for x in instructions:
        reads, writes = (words(part) for part in areas(x, sizes))
        waits = x.after_loads, x.after_computes, x.after_stores
        for y, (y_reads, y_writes), number in zip(instructions, touched, numbers, strict=False):
            unit = UNITS[type(y)]
            if unit != UNITS[type(x)] and (writes & (y_reads | y_writes) or reads & y_writes):
                assert waits[unit] >= number
                pairs += 1
        touched.append((reads, writes))
        counts[UNITS[type(x)]] += 1
        numbers.append(counts[UNITS[type(x)]])
    return pairs


@given(conv_cases())
@settings(max_examples=15, deadline=None)
def test_who_needs_a_word_waits_for_it(case):
    sizes = Sizes(4, activations=384, weights=1024, sums=32, biases=16, results=192, residuals=96, poisoned=True)
    assert check_order(conv_program(case.op, case.x, case.source, sizes).instructions, sizes) > 0


@given(networks())
@settings(max_examples=5, deadline=None)
def test_a_layer_waits_for_what_the_last_one_stored(network):
    code = [x for part in network_program(network, SIZES).instructions.values() for x in part]
    stored = {y: number for number, y in enumerate((x for x in code if isinstance(x, Store)), 1)}
    for index, x in enumerate(code):
        if isinstance(x, Load):
            needed = words(areas(x, SIZES)[0])
            writers = [stored[y] for y in code[:index] if isinstance(y, Store) and needed & words(areas(y, SIZES)[1])]
            assert x.after_stores == max(writers, default=0) or x.after_stores > max(writers, default=0) > 0


def test_a_number_too_far_back_is_a_later_one():
    loads = [Load(memory=Memory.WEIGHTS, start=0), *[Load(memory=Memory.BIASES, start=0)] * (2 * OLDEST)]
    *_, last = dependent([*loads, Compute(target=Memory.RESULTS)], Sizes(4))
    assert last.after_loads == len(loads) - OLDEST  # the bits of a field hold no more


def test_transfers_run_beside_computing():
    case = conv('a', 'x', 8, 8, 3)
    code = conv_program(case, np.zeros((8, 24, 24), np.int64), FORM, SIZES).instructions
    total, parts = total_cycles(code, 4), {kind: 0 for kind in (Load, Compute, Store)}
    for x in code:
        parts[type(x)] += cycles(x, 4)
    assert parts[Compute] < total < 1.1 * parts[Compute] < sum(parts.values())
    ends = [t.end for t in timeline(code, 4)]
    assert max(ends) == total and all(t.begin < t.end for t in timeline(code, 4))


@given(st.lists(st.integers(1, 128 // SHARE), min_size=2, max_size=20))
def test_a_tile_leaves_the_last_one_alone(sizes):
    chip, before = Chip(Sizes(4, activations=128)), None
    for count in sizes:
        start = chip.take(Memory.ACTIVATIONS, count)
        assert 0 <= start <= 128 - count
        assert before is None or start >= before[1] or start + count <= before[0]
        before = start, start + count


def network_of(*ops, outputs=('sum',)) -> IntegerNetwork:
    return IntegerNetwork('x', FORM, (8, 6, 6), ops, outputs)


A, B, SUM = conv('a', 'x', 8, 8), conv('b', 'a', 8, 8, 3), Add('sum', ('b', 'a'), Format(3, False))


def test_an_addition_is_part_of_the_convolution_before_it():
    network = network_of(A, B, SUM)
    compiled = network_program(network, SIZES)
    assert list(fused_adds(network)) == ['b'] and not compiled.instructions['sum']
    assert 'b' not in compiled.placement.starts
    assert {x.memory for x in compiled.instructions['b'] if isinstance(x, Load)} >= {Memory.RESIDUALS}


@pytest.mark.parametrize(
    'ops, outputs',
    [
        ((A, B, SUM, conv('c', 'b', 8, 8)), ('sum', 'c')),  # its map is read by another one
        ((A, B, SUM), ('b', 'sum')),
        ((A, replace(SUM, sources=('a', 'a'))), ('sum',)),
        ((A, B, Upsample('up', ('a',)), Add('sum', ('up', 'up'), Format(3, False))), ('sum',)),
    ],
)
def test_an_addition_of_maps_that_others_need_is_its_own(ops, outputs):
    network = network_of(*ops, outputs=outputs)
    assert not fused_adds(network) and network_program(network, SIZES).instructions['sum']


def test_an_upsampling_by_three_is_refused():
    with pytest.raises(UserError, match='up: factor: 3'):
        element_tasks(Upsample('up', ('x',), 3), [FORM], 4, 8, 8)
