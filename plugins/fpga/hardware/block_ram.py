"""A memory on the chip: a port that writes and one that reads. Ours.

Its output is slow: whoever reads puts a register behind it. Nothing may rely on a word that is read in the cycle in
which it is written (``no_rw_check``, an attribute that yosys and Lattice's tools know): blocks of memory do not promise
the old one, so synthesis would put logic behind each output that compares addresses. With ``poisoned`` a
simulation shows who does: such a word comes out inverted.
"""

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib.memory import Memory, ReadPort, WritePort


def block_ram(
    m: Module, name: str, bits: int, depth: int, parts: int = 1, poisoned: bool = False
) -> tuple[WritePort, ReadPort, Value]:
    """Adds the memory ``name``: its write port with an enable for each of ``parts``, its read port, the word read.

    The word comes one cycle after its address.
    """
    m.submodules[name] = ram = Memory(shape=unsigned(bits), depth=depth, init=[], attrs={'no_rw_check': 1})
    write, read = ram.write_port(granularity=bits // parts), ram.read_port()
    word = read.data
    if poisoned:
        collision = Signal(name=f'{name}_collision')
        with m.If(read.en):
            m.d.sync += collision.eq(write.en.any() & (write.addr == read.addr))
        word = Mux(collision, ~read.data, read.data)
    return write, read, word
