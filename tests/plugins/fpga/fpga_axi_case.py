"""Random small convolutions, alone and as a network whose layers read each other's maps, as programs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError
from plugins.fpga.compiler.network import network_program
from plugins.fpga.compiler.program import Program, conv_program, output_of, place
from plugins.fpga.compiler.task import conv_task
from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Upsample
from plugins.fpga.integers.number_format import Table
from plugins.fpga.integers.tt_kernel import TTKernel


@dataclass(frozen=True)
class Case:
    """A program and the maps it must make.

    Attributes:
        maps: of the memory at the end, and as they must be.
        may_change: (words,) bool.
    """

    program: Program
    maps: Callable[[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]
    may_change: np.ndarray

    def mismatches(self, outside: np.ndarray) -> int:
        """Values that differ, and bytes elsewhere that changed, of the (words, N) memory at the end."""
        wrong = sum(np.count_nonzero(found != expected) for found, expected in self.maps(outside))
        kept = ~self.may_change
        return int(wrong + np.count_nonzero(outside[kept] != self.program.outside[kept]))


def random_case(rng: np.random.Generator, sizes: Sizes) -> Case:
    """A convolution or a network that fits."""
    while True:
        try:
            return network_case(rng, sizes) if rng.random() < 0.5 else conv_case(rng, sizes)
        except UserError:
            continue  # a memory is too small for it


def conv_case(rng: np.random.Generator, sizes: Sizes) -> Case:
    """Any convolution: dense or of cores, 8-bit results or sums, stride, padding, signs."""
    into, out = (int(x) for x in rng.integers(1, 10, 2))
    op = random_conv(rng, into, out, signed=bool(rng.integers(2)))
    kernel = op.weight.shape[-1]
    source, size = Format(8, bool(rng.integers(2))), [int(x) for x in rng.integers([kernel, kernel], [8, 8])]
    x = rng.integers(source.low, source.high + 1, (into, *size))
    task, program = conv_task(op, source, *size), conv_program(op, x, source, sizes)
    parts, expected = task.parts(sizes.n), op.run(x[None], source)[0]
    start, may_change = place(parts)['output'], np.zeros(len(program.outside), bool)
    may_change[start : start + parts['output']] = True
    return Case(program, lambda outside: [(output_of(task, outside, start), expected)], may_change)


def network_case(rng: np.random.Generator, sizes: Sizes) -> Case:
    """Layers that load what the one before has just stored: a residual, a pooling, an upsampling, a concatenation."""
    channels, zero = 4 * int(rng.integers(1, 3)), int(rng.choice([0, 7]))
    form, coarser = Format(4, False, zero=zero), Format(3, False, zero=zero)
    ops = (
        random_conv(rng, 3, channels, 'a', 'x', 1, form),
        random_conv(rng, channels, channels, 'b', 'a', int(rng.choice([1, 3])), form),
        Add('sum', ('b', 'a'), coarser),
        random_conv(rng, channels, 4, 'c', 'sum', 1, coarser),
        MaxPool('pool', ('c',), 3),
        Concat('cat', ('pool', 'sum')),
        Upsample('up', ('cat',)),
        random_conv(rng, channels + 4, int(rng.integers(1, 9)), 'head', 'up', 1, None),
    )
    size = [int(x) for x in rng.integers(1, 8, 2)]
    network = IntegerNetwork('x', Format(8, False), (3, *size), ops, ('head',))
    x = rng.integers(0, 256, network.input_shape)
    compiled, expected = network_program(network, sizes), network.run(x[None])
    program = compiled.program(x)
    may_change = np.arange(len(program.outside)) < compiled.placement.words
    start = compiled.placement.starts['x']
    may_change[start : start + size[0] * size[1]] = False
    names = [op.name for op in ops if op.name not in compiled.fused]
    return Case(program, lambda outside: [(compiled.map(x, outside), expected[x][0]) for x in names], may_change)


def random_conv(
    rng: np.random.Generator, into: int, out: int, name='conv', source='x', kernel=0, form=(), signed=False
) -> Conv:
    """Any kernel and form where none is given; a table where there is a zero point, and often elsewhere."""
    stride, padding = 1, kernel // 2
    if not kernel:
        kernel, stride = int(rng.choice([1, 2, 3])), int(rng.integers(1, 3))
        padding = int(rng.integers(0, kernel // 2 + 1))
    if form == ():
        form = None if rng.random() < 0.2 else Format(int(rng.integers(0, 6)), signed)
    weight, cores = int8(rng, out, into, kernel, kernel), None
    if rng.random() < 0.3:
        first, last = (int(x) for x in rng.integers(1, 7, 2))
        cores = TTKernel(int8(rng, first, into), int8(rng, last, first, kernel, kernel), int8(rng, out, last), 8, 9)
        weight = cores.rebuild()
    bias = rng.integers(-30000, 30000, out).astype(np.int32)
    table = None
    if form is not None and (form.zero or rng.random() < 0.3):
        bits = int(rng.choice([8, 10]))
        table = Table(Format(2, True, bits), rng.integers(form.low, form.high + 1, 1 << bits))
    return Conv(name, (source,), weight, 7, bias, stride, padding, form, cores, table)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Any values."""
    return rng.integers(-128, 128, shape).astype(np.int8)
