"""A memory behind cocotbext-axi's slave: slow at random, with a fault on demand."""

import random
from collections.abc import Iterator

from cocotb.triggers import ClockCycles


class SlowMemory:
    """Bytes; ``fault``: the access, counted from the last `load`, that fails; None: none does.

    Attributes:
        outside: an access was beyond the memory.
        failed: 'read' or 'write', the access that failed.
    """

    def __init__(self, clock, size: int):
        self.clock, self.bytes = clock, bytearray(size)
        self.load(random.Random(0), 0.0, None)

    def load(self, rng: random.Random, delay: float, fault: int | None) -> None:
        """Begin anew: an access takes some cycles with probability ``delay``."""
        self.rng, self.delay, self.fault = rng, delay, fault
        self.accesses, self.failed, self.outside = 0, None, False

    async def _access(self, kind: str, address: int, length: int) -> None:
        if self.rng.random() < self.delay:
            await ClockCycles(self.clock, self.rng.randint(1, 40))
        self.accesses += 1
        self.outside |= address + length > len(self.bytes)
        if self.outside or self.accesses - 1 == self.fault:
            self.failed = self.failed or kind
            raise RuntimeError(f'{kind} fails')

    async def read(self, address: int, length: int) -> bytes:
        """Of a beat."""
        await self._access('read', address, length)
        return bytes(self.bytes[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        """Of the bytes of a beat whose strobes are 1."""
        await self._access('write', address, len(data))
        self.bytes[address : address + len(data)] = data


def pauses(rng: random.Random, share: float) -> Iterator[bool]:
    """For each cycle whether a channel is paused; in ``share`` of them."""
    while True:
        yield rng.random() < share
