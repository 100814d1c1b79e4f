"""Random small convolutions as programs."""

from dataclasses import dataclass

import numpy as np

from detplug.errors import UserError
from plugins.fpga.compiler.program import Program, conv_program, output_of, place
from plugins.fpga.compiler.task import ConvTask, conv_task
from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.integers.integer_network import Conv, Format
from plugins.fpga.integers.tt_kernel import TTKernel


@dataclass(frozen=True)
class Case:
    """A program and the map it must make, (O, H', W') int64."""

    task: ConvTask
    program: Program
    expected: np.ndarray

    def mismatches(self, outside: np.ndarray) -> int:
        """Values of the result that differ, and bytes elsewhere that changed, of the (words, N) memory at the end."""
        n = outside.shape[1]
        parts = self.task.parts(n)
        start = place(parts)['output']
        wrong = np.count_nonzero(output_of(self.task, outside, start) != self.expected)
        others = np.ones(len(outside), bool)
        others[start : start + parts['output']] = False
        return int(wrong + np.count_nonzero(outside[others] != self.program.outside[others]))


def random_case(rng: np.random.Generator, sizes: Sizes) -> Case:
    """Any convolution that fits: dense or of cores, 8-bit results or sums, stride, padding, signs."""
    while True:
        kernel = int(rng.choice([1, 2, 3]))
        into, out, *size = (int(x) for x in rng.integers([1, 1, kernel, kernel], [10, 10, 8, 8]))
        form = None if rng.random() < 0.2 else Format(int(rng.integers(0, 6)), bool(rng.integers(2)))
        weight, cores = int8(rng, out, into, kernel, kernel), None
        if rng.random() < 0.3:
            first, last = (int(x) for x in rng.integers(1, 7, 2))
            cores = TTKernel(int8(rng, first, into), int8(rng, last, first, kernel, kernel), int8(rng, out, last), 8, 9)
            weight = cores.rebuild()
        bias = rng.integers(-30000, 30000, out).astype(np.int32)
        padding, stride, signed = int(rng.integers(0, kernel // 2 + 1)), int(rng.integers(1, 3)), bool(rng.integers(2))
        op, source = Conv('conv', ('x',), weight, 7, bias, stride, padding, form, cores), Format(8, signed)
        x = rng.integers(source.low, source.high + 1, (into, *size))
        try:
            task, program = conv_task(op, source, *size), conv_program(op, x, source, sizes)
        except UserError:
            continue  # a memory is too small for it
        return Case(task, program, op.run(x[None], source)[0])


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Any values."""
    return rng.integers(-128, 128, shape).astype(np.int8)
