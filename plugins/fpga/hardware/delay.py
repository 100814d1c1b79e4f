"""A signal some cycles later."""

from amaranth.hdl import Module, Signal, Value


def delayed(m: Module, signal: Value, cycles: int) -> Value:
    """``signal`` as it was ``cycles`` cycles ago; not reset, so that it can be a shift register of the FPGA."""
    for _ in range(cycles):
        later = Signal.like(signal, name='later', reset_less=True)
        m.d.sync += later.eq(signal)
        signal = later
    return signal
