"""A wrapper with five pins around `AxiAccelerator`, so that it can be placed alone as it would lie in a system. Ours.

A chain of registers drives every input and takes every output: all paths begin and end in a register, and nothing can
be left out as unused.
"""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from .top import AxiAccelerator


class Pins(Component):
    """``shift``: the chain moves by one, from ``data_in`` to ``data_out``; otherwise it takes the outputs."""

    def __init__(self, design: AxiAccelerator):
        self.design = design
        super().__init__({'clk': In(1), 'aresetn': In(1), 'shift': In(1), 'data_in': In(1), 'data_out': Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.pins = ClockDomain(local=True, reset_less=True)
        m.submodules.design = design = self.design
        members = {name: member.flow for name, member in design.signature.members.items()}
        inputs = Cat(getattr(design, x) for x, flow in members.items() if flow is In and x not in ('aclk', 'aresetn'))
        outputs = Cat(getattr(design, x) for x, flow in members.items() if flow is Out)
        driven, taken, reset = Signal(len(inputs)), Signal(len(outputs)), Signal()
        m.d.comb += [
            ClockSignal('pins').eq(self.clk),
            design.aclk.eq(self.clk),
            inputs.eq(driven),
            design.aresetn.eq(reset),
        ]
        m.d.pins += reset.eq(self.aresetn)
        with m.If(self.shift):
            m.d.pins += Cat(taken, driven).eq(Cat(Cat(taken, driven)[1:], self.data_in))
        with m.Else():
            m.d.pins += taken.eq(outputs)
        m.d.pins += self.data_out.eq(taken[0])
        return m
