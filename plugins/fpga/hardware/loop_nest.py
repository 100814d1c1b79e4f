"""Nested loops in hardware, and addresses that follow them by additions only. Ours."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .delay import delayed


class LoopNest:
    """Loops, the outermost first; one step of all is one cycle in which ``advance`` is 1.

    Args:
        m: the module that the registers are put into.
        last: the last index of each loop.
        start: all loops begin, in the next cycle, at index 0.
        advance: the next step.
        late: pointers follow one cycle behind ``index``, which halves their path.

    Attributes:
        index: of each loop.
        at_last: whether each loop is at its last index; registers.
        ends: of each level: this loop and all inside it are at their last index; one more entry that is always 1.
    """

    def __init__(self, m: Module, last: Sequence[Value], start: Value, advance: Value, late: bool = False):
        self.m, self.start, self.advance, self.late = m, start, advance, late
        self.index = [Signal(len(x), name=f'index{level}') for level, x in enumerate(last)]
        self.at_last = [Signal(name=f'at_last{level}') for level in range(len(last))]
        self.ends = [Signal(name=f'ends{level}') for level in range(len(last))] + [Const(1, 1)]
        for level, now in enumerate(self.at_last):
            m.d.comb += self.ends[level].eq(now & self.ends[level + 1])
        self.steps = [inner & ~now for inner, now in zip(self.ends[1:], self.at_last, strict=True)]  # at most one is 1
        for i, x, now, inner in zip(self.index, last, self.at_last, self.ends[1:], strict=True):
            with m.If(start):
                m.d.sync += [i.eq(0), now.eq(x == 0)]
            with m.Elif(advance & inner):
                m.d.sync += [i.eq(Mux(now, 0, i + 1)), now.eq(Mux(now, x == 0, i + 1 == x))]

    def pointer(self, base: Value, strides: Sequence[Value | int], width: int, name: str) -> Signal:
        """base + sum of index x stride, modulo 2 ** width, without a multiplier.

        Every level keeps the pointer at which its inner loops began.
        """
        m, levels = self.m, [Signal(width, name=f'{name}_{level}') for level in range(len(strides))]
        chosen, stride, following = Signal(width), Signal(width), Signal(width, name=f'{name}_next')
        for step, distance in zip(self.steps, strides, strict=True):
            with m.If(step):
                m.d.comb += stride.eq(distance)
        steps, begin = [self.advance & x for x in self.steps], self.start
        if self.late:
            *steps, begin, stride = (delayed(m, x, 1) for x in (*steps, begin, stride))
        parts = [Mux(step, pointer, 0) for step, pointer in zip(steps, levels, strict=True)]
        m.d.comb += [chosen.eq(reduce(or_, parts)), following.eq(chosen + stride)]
        for level, pointer in enumerate(levels):
            with m.If(begin):
                m.d.sync += pointer.eq(base)
            with m.Elif(Cat(steps[: level + 1]).any()):
                m.d.sync += pointer.eq(following)
        return levels[-1]
