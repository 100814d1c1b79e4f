"""Nested loops in hardware, and addresses that follow them by additions only. Ours."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value


class LoopNest:
    """Loops, the outermost first; one step of all is one cycle in which ``advance`` is 1.

    Args:
        m: the module that the registers are put into.
        last: the last index of each loop.
        start: all loops begin, in the next cycle, at index 0.
        advance: the next step.

    Attributes:
        index: of each loop.
        at_last: whether each loop is at its last index.
        ends: of each level: this loop and all inside it are at their last index; one more entry that is always 1.
    """

    def __init__(self, m: Module, last: Sequence[Value], start: Value, advance: Value):
        self.m, self.start, self.advance = m, start, advance
        self.index = [Signal(len(x), name=f'index{level}') for level, x in enumerate(last)]
        self.at_last = [i == x for i, x in zip(self.index, last, strict=True)]
        self.ends = [Signal(name=f'ends{level}') for level in range(len(last))] + [Const(1, 1)]
        for level, now in enumerate(self.at_last):
            m.d.comb += self.ends[level].eq(now & self.ends[level + 1])
        self.steps = [inner & ~now for inner, now in zip(self.ends[1:], self.at_last, strict=True)]  # at most one is 1
        for i, now, inner in zip(self.index, self.at_last, self.ends[1:], strict=True):
            with m.If(start):
                m.d.sync += i.eq(0)
            with m.Elif(advance & inner):
                m.d.sync += i.eq(Mux(now, 0, i + 1))

    def pointer(self, base: Value, strides: Sequence[Value | int], width: int, name: str) -> Signal:
        """base + sum of index x stride, modulo 2 ** width, without a multiplier.

        Every level keeps the pointer at which its inner loops began.
        """
        levels = [Signal(width, name=f'{name}_{level}') for level in range(len(strides))]
        chosen, stride, following = Signal(width), Signal(width), Signal(width, name=f'{name}_next')
        for step, pointer, distance in zip(self.steps, levels, strides, strict=True):
            with self.m.If(step):
                self.m.d.comb += [chosen.eq(pointer), stride.eq(distance)]
        self.m.d.comb += following.eq(chosen + stride)
        for level, pointer in enumerate(levels):
            with self.m.If(self.start):
                self.m.d.sync += pointer.eq(base)
            with self.m.Elif(self.advance & Cat(self.steps[: level + 1]).any()):
                self.m.d.sync += pointer.eq(following)
        return levels[-1]
