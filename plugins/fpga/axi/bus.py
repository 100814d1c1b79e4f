"""How wide the AXI bus is, and its ports by the names of the specification. Ours."""

from dataclasses import dataclass

from amaranth.lib.wiring import In, Out

from ..hardware.instructions import INSTRUCTION_BITS

PAGE = 4096  # bytes; no burst crosses a multiple of it


@dataclass(frozen=True)
class Bus:
    """Sizes of the bus and of what crosses it.

    Attributes:
        word: bytes of a word of the accelerator, a power of two.
        beat: bytes of the bus in a cycle, a power of two.
        burst: most beats of a burst, a power of two.
        outstanding: bursts that may wait for their answers, of reads and of writes each.
        address_bits: of a byte address.
    """

    word: int
    beat: int
    burst: int = 16
    outstanding: int = 8
    address_bits: int = 40

    def __post_init__(self):
        for name in ('word', 'beat', 'burst', 'outstanding'):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ValueError(f'{name} = {value}: must be a power of two')
        if not 4 <= self.beat <= 128 or self.burst > 256 or self.beat * self.burst > PAGE:
            raise ValueError(
                f'{self.burst} beats of {self.beat} bytes: AXI has 4 to 128 bytes, 256 beats, {PAGE} bytes'
            )

    @property
    def instruction_words(self) -> int:
        """Words of an instruction in memory, the last one filled up with zeros."""
        return -(-INSTRUCTION_BITS // (8 * self.word))


def master_ports(bus: Bus) -> dict:
    """AXI4, one ID; only INCR bursts of whole beats."""
    ports = {}
    for channel in ('aw', 'ar'):
        fields = {'id': 1, 'addr': bus.address_bits, 'len': 8, 'size': 3, 'burst': 2, 'lock': 1, 'cache': 4, 'prot': 3}
        ports |= {f'm_axi_{channel}{name}': Out(width) for name, width in fields.items()}
        ports |= {f'm_axi_{channel}valid': Out(1), f'm_axi_{channel}ready': In(1)}
    write = {'wdata': Out(8 * bus.beat), 'wstrb': Out(bus.beat), 'wlast': Out(1), 'wvalid': Out(1), 'wready': In(1)}
    answer = {'bid': In(1), 'bresp': In(2), 'bvalid': In(1), 'bready': Out(1)}
    read = {'rid': In(1), 'rdata': In(8 * bus.beat), 'rresp': In(2), 'rlast': In(1), 'rvalid': In(1), 'rready': Out(1)}
    return ports | {f'm_axi_{name}': port for name, port in (write | answer | read).items()}


def slave_ports(address_bits: int) -> dict:
    """AXI4-Lite of 32 bits."""
    ports = {}
    for channel in ('aw', 'ar'):
        ports |= {f's_axi_{channel}addr': In(address_bits), f's_axi_{channel}prot': In(3)}
        ports |= {f's_axi_{channel}valid': In(1), f's_axi_{channel}ready': Out(1)}
    write = {'wdata': In(32), 'wstrb': In(4), 'wvalid': In(1), 'wready': Out(1)}
    answer = {'bresp': Out(2), 'bvalid': Out(1), 'bready': In(1)}
    read = {'rdata': Out(32), 'rresp': Out(2), 'rvalid': Out(1), 'rready': In(1)}
    return ports | {f's_axi_{name}': port for name, port in (write | answer | read).items()}
