"""Cycles and bytes of a frame are those of the program that the accelerator runs."""

from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('amaranth', reason='amaranth is not installed: install the extra [fpga]')

from fpga_cost_networks import SIZES, conv, networks  # noqa: E402

from detplug.errors import UserError  # noqa: E402
from plugins.fpga.compiler.network import network_program  # noqa: E402
from plugins.fpga.cost.layers import FORMS, at_side, conv_layer, layers_of  # noqa: E402
from plugins.fpga.cost.network import Cost, costs_of, network_cost, task_cost, total  # noqa: E402
from plugins.fpga.hardware.instructions import Compute, Load, Store  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.integers.integer_network import Concat, Conv, Format, IntegerNetwork, MaxPool  # noqa: E402
from plugins.fpga.integers.map_shapes import map_shapes  # noqa: E402
from plugins.fpga.simulation.cycles import cycles, total_cycles  # noqa: E402


def network_of(*ops, side: int = 16, channels: int = 8) -> IntegerNetwork:
    return IntegerNetwork('x', Format(4, False), (channels, side, side), ops, (ops[-1].name,))


def without_cores(network: IntegerNetwork) -> IntegerNetwork:
    return replace(network, ops=tuple(replace(op, cores=None) if isinstance(op, Conv) else op for op in network.ops))


def moved(instructions, kind, n, least: int = 0, end: int = 1 << 32) -> int:
    """Bytes between the chip and the words ``least`` to ``end`` of the memory outside."""
    return n * sum(
        x.words * x.runs << getattr(x, 'twice', 0) for x in instructions if isinstance(x, kind) and least <= x.ddr < end
    )


@given(networks(), st.sampled_from(['dense', 'rebuild']))
@settings(max_examples=25)
def test_layers_cost_what_the_program_of_the_network_costs(network, form):
    program = network_program(network if form == 'rebuild' else without_cores(network), SIZES)
    costs = costs_of(network, form, SIZES)
    for name, own in program.instructions.items():
        mine = total(x.cost for x in costs if x.layer.name == name)
        maps = program.placement.words  # weights lie behind them
        assert mine.compute_cycles == sum(cycles(x, SIZES.n) for x in own if isinstance(x, Compute)), name
        assert mine.cycles >= mine.compute_cycles
        assert mine.weight_bytes == moved(own, Load, SIZES.n, least=maps)
        assert (mine.in_bytes, mine.out_bytes) == (moved(own, Load, SIZES.n, end=maps), moved(own, Store, SIZES.n))
    whole = network_cost(costs)
    assert whole.cycles == total_cycles([*chain.from_iterable(program.instructions.values())], SIZES.n)
    convs, elements = network_cost(costs, elements=False), network_cost(costs, convs=False)
    assert total([convs, elements]) == whole and elements.macs == 0 < elements.cycles


@given(networks())
@settings(max_examples=10)
def test_dense_macs_are_those_of_the_kernels(network):
    sizes = map_shapes(network)
    wanted = sum(op.weight.size * sizes[op.name][1] * sizes[op.name][2] for op in network.ops if isinstance(op, Conv))
    assert network_cost(costs_of(network, 'dense', SIZES)).macs == wanted


@pytest.mark.parametrize('stride', [1, 2])
def test_a_chain_costs_what_its_convolutions_cost(stride):
    one = network_of(conv('a', 'x', 8, 12, 3, stride, (5, 9)), conv('b', 'a', 12, 6, 1, 1, (7,), None))
    signed = Format(4, True)
    written = network_of(
        conv('a0', 'x', 8, 5, form=signed), conv('a1', 'a0', 5, 9, 3, stride, form=signed), conv('a2', 'a1', 9, 12),
        conv('b0', 'a2', 12, 7, form=signed), conv('b1', 'b0', 7, 6, form=None),
    )  # fmt: skip
    ours, wanted = (network_cost(costs_of(x, 'chain', SIZES)) for x in (one, written))
    assert ours == wanted
    assert wanted.cycles == total_cycles([*chain(*network_program(written, SIZES).instructions.values())], 4)


def test_layers_without_ranks_cost_the_same_in_every_form():
    network = network_of(conv('a', 'x', 8, 12, 3), MaxPool('pool', ('a',), 3))
    first, *others = (costs_of(network, form, SIZES) for form in FORMS)
    assert all(x == first for x in others)


def test_weights_count_as_often_as_they_are_fetched():
    layer, roomy = conv_layer('a', (16, 32), 3, 1, (32, 32)), Sizes(4)
    once = layer.task.weight_bytes(4)
    assert once == 16 * 32 * 9 + 4 * 32
    assert task_cost(layer.task, roomy).weight_bytes == once
    narrow = replace(roomy, activations=2048, weights=200)  # tiles of rows, for each all groups of weights
    assert task_cost(layer.task, narrow).weight_bytes > once


def test_cores_are_fewer_bytes_than_the_kernel():
    layer = conv_layer('a', (64, 64), 3, 1, (16, 16), (16, 16))
    dense, chain_, rebuild = (total(task_cost(x, Sizes(16)) for x in layer.tasks(form)) for form in FORMS)
    cores = 64 * 16 + 9 * 16 * 16 + 16 * 64
    assert rebuild.weight_bytes == cores + 4 * 64 and dense.weight_bytes == 9 * 64 * 64 + 4 * 64
    assert chain_.weight_bytes == cores + 4 * (16 + 16 + 64)
    assert rebuild.macs == dense.macs > chain_.macs and rebuild.compute_cycles > dense.compute_cycles


def test_another_image_size_changes_maps_alone():
    network = network_of(conv('a', 'x', 8, 12, 3, 2), side=16)
    small, large = (costs_of(at_side(network, side), 'dense', Sizes(4))[0].cost for side in (16, 32))
    assert large.macs == 4 * small.macs and large.out_bytes == 4 * small.out_bytes
    assert large.weight_bytes == small.weight_bytes


def test_nothing_costs_nothing():
    assert network_cost([]) == Cost() and Cost().cycles == Cost().bytes == 0


@pytest.mark.parametrize(
    'action, words',
    [
        (lambda: conv_layer('a', (4, 4), 3, 1, (8, 8)).tasks('sparse'), 'form: sparse'),
        (lambda: task_cost(conv_layer('a', (256, 8), 3, 1, (8, 8)).task, SIZES), 'a: weights'),
        (lambda: layers_of(network_of(conv('a', 'x', 8, 8, 3, 2), Concat('cat', ('a', 'x')))), 'cat: maps of 8x8 and'),
    ],
)
def test_what_cannot_be_costed_is_one_line(action, words):
    with pytest.raises(UserError, match=words) as error:
        action()
    assert '\n' not in str(error.value)
