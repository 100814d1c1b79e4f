"""A multiplier of 9 bits and 8, or more, with a register before each input and one behind it. Ours.

FPGAs have these registers inside of their multiplier blocks. yosys leaves those of an ECP5 outside, so its block is
named (Lattice, FPGA-TN-02205) if ``platform`` of amaranth is `ECP5`.
"""

from amaranth.hdl import ClockSignal, Instance, Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

ECP5 = 'ecp5'
ECP5_BITS = 18  # of each input of its block


class Multiplier(Component):
    """``product`` of ``activation`` and of the last ``weight`` that came with ``take``, two cycles later.

    Raises:
        ValueError: on elaboration, for an ECP5: a weight of more bits than its block takes.
    """

    def __init__(self, bits: int = 8):
        self.bits = bits
        super().__init__(
            {
                'activation': In(signed(9)),
                'weight': In(signed(bits)),
                'take': In(1),
                'product': Out(signed(9 + bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if platform == ECP5:
            m.submodules.block = self._ecp5()
            return m
        factor, kept = Signal(signed(9), reset_less=True), Signal(signed(self.bits), reset_less=True)
        product = Signal(signed(9 + self.bits), reset_less=True)
        with m.If(self.take):
            m.d.sync += kept.eq(self.weight)
        m.d.sync += [factor.eq(self.activation), product.eq(factor * kept)]
        m.d.comb += self.product.eq(product)
        return m

    def _ecp5(self) -> Instance:
        if self.bits > ECP5_BITS:
            raise ValueError(f'paired: a weight of {self.bits} bits; the multiplier of an ECP5 takes {ECP5_BITS}')
        parts = {f'p_REG_{name}_CLK': 'CLK0' for name in ('INPUTA', 'INPUTB', 'OUTPUT')}
        parts |= {'p_REG_INPUTB_CE': 'CE1', 'i_CE0': 1, 'i_CE1': self.take, 'i_RST0': 0, 'i_CLK0': ClockSignal()}
        parts |= {'i_SIGNEDA': 1, 'i_SIGNEDB': 1}
        for bit in range(ECP5_BITS):
            parts[f'i_A{bit}'] = self.activation[min(bit, 8)]
            parts[f'i_B{bit}'] = self.weight[min(bit, self.bits - 1)]
        parts |= {f'o_P{bit}': self.product[bit] for bit in range(9 + self.bits)}
        return Instance('MULT18X18D', **parts)
