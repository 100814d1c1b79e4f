"""Random convolutions, and the accelerator in Amaranth's own simulator."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from plugins.fpga.hardware.instructions import encode
from plugins.fpga.integers.integer_network import Conv, Format
from plugins.fpga.integers.number_format import Table
from plugins.fpga.integers.tt_kernel import TTKernel


@dataclass(frozen=True)
class Case:
    """A convolution and an input."""

    op: Conv
    x: np.ndarray
    source: Format

    @property
    def expected(self) -> np.ndarray:
        return self.op.run(self.x[None], self.source)[0]


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


@dataclass(frozen=True)
class Kind:
    """Of a convolution; ``ranks`` (r1 or None, r2) of a kernel that is rebuilt; ``form`` of the output.

    ``channel_scales`` and ``table`` are left aside where ``form`` is None; ``zero`` is the zero point of the input.
    """

    kernel: int = 3
    stride: int = 1
    padding: int = 1
    signed_in: bool = False
    form: Format | None = Format(4, False)
    ranks: tuple[int | None, int] | None = None
    channel_scales: bool = False
    table: bool = False
    zero: int = 0


def conv_case(seed: int, into: int, out: int, size: tuple[int, int], **kind) -> Case:
    """Random integers; the fields of ``kind`` are those of `Kind`."""
    kind, rng, cores = Kind(**kind), np.random.default_rng(seed), None
    weight = int8(rng, out, into, kind.kernel, kind.kernel)
    if kind.ranks is not None:
        first, last = kind.ranks
        middle = None if first is None else int8(rng, last, first, kind.kernel, kind.kernel)
        cores = TTKernel(int8(rng, first or last, into), middle, int8(rng, out, last), 8, 9)
        weight = cores.rebuild()
    bias = rng.integers(-30000, 30000, out).astype(np.int32)
    frac, table = 7, None
    if kind.channel_scales and kind.form is not None:
        frac = rng.integers(5, 15, out)
    if kind.table and kind.form is not None:
        bits = int(rng.choice([8, 10]))
        table = Table(Format(4, True, bits), rng.integers(kind.form.low, kind.form.high + 1, 1 << bits))
    op = Conv('conv', ('x',), weight, frac, bias, kind.stride, kind.padding, kind.form, cores, table)
    source = Format(8, kind.signed_in, zero=0 if kind.signed_in else kind.zero)
    return Case(op, rng.integers(source.low, source.high + 1, (into, *size)), source)


@st.composite
def conv_cases(draw) -> Case:
    """Any small convolution; the channels are seldom a multiple of N = 4."""
    kernel = draw(st.sampled_from([1, 2, 3, 6]))
    padding = draw(st.integers(0, kernel // 2))
    least = max(1, kernel - 2 * padding)
    size = draw(st.tuples(*[st.integers(least, least + 9)] * 2))
    ranks = draw(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9))) if kernel < 6 else None
    if kernel == 1 and ranks is not None and draw(st.booleans()):
        ranks = None, ranks[1]
    fracs = st.integers(-8, 10)
    form = draw(st.none() | st.builds(Format, fracs, st.booleans()))
    channels = st.integers(1, 13)
    kind = {name: draw(st.booleans()) for name in ('signed_in', 'channel_scales', 'table')}
    kind['zero'] = draw(st.sampled_from([0, 0, 9, 255]))
    kind |= dict(kernel=kernel, padding=padding, stride=draw(st.integers(1, 2)))
    return conv_case(draw(st.integers(0, 2**31)), draw(channels), draw(channels), size, form=form, ranks=ranks, **kind)


def run_in_python(design, program, latency: int = 3) -> tuple[np.ndarray, int]:
    """(memory outside at the end, cycles) of a program in Amaranth's simulator."""
    from amaranth.sim import Simulator

    outside, bits = program.outside.copy(), 8 * program.outside.shape[1]
    cycles = []

    async def bench(ctx):
        reads, writes, codes, cycle = [], [], [encode(x) for x in program.instructions], 0
        ctx.set(design.read_request_ready, 1)
        ctx.set(design.write_request_ready, 1)
        ctx.set(design.write_ready, 1)
        while codes or not ctx.get(design.idle):
            ctx.set(design.instruction_valid, bool(codes))
            ctx.set(design.instruction, codes[0] if codes else 0)
            answer = reads and reads[0][0] <= cycle
            ctx.set(design.read_valid, bool(answer))
            ctx.set(design.written, not writes)
            if answer:
                ctx.set(design.read_data, int.from_bytes(outside[reads.pop(0)[1]].tobytes(), 'little'))
            if ctx.get(design.read_request):
                first, words = ctx.get(design.read_address), ctx.get(design.read_words) + 1
                reads += [(cycle + latency, first + word) for word in range(words)]
            if ctx.get(design.write):
                word = ctx.get(design.write_data).to_bytes(bits // 8, 'little')
                outside[writes.pop(0)] = np.frombuffer(word, np.uint8)
            if ctx.get(design.write_request):
                first, words = ctx.get(design.write_address), ctx.get(design.write_words) + 1
                writes += range(first, first + words)
            if codes and ctx.get(design.instruction_ready):
                codes.pop(0)
            await ctx.tick()
            cycle += 1
        cycles.append(cycle)

    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return outside, cycles[0]
