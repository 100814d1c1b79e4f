"""A program and its memory as bytes where the registers of `AxiAccelerator` point: instructions, words. Ours."""

from collections.abc import Iterable

from ..hardware.instructions import INSTRUCTION_BITS, Instruction, encode


def instruction_bytes(word: int) -> int:
    """Bytes of an instruction in memory: whole words of ``word`` bytes."""
    return word * -(-INSTRUCTION_BITS // (8 * word))


def code_bytes(instructions: Iterable[Instruction], word: int) -> bytes:
    """Instructions as they are fetched, little endian, each filled up with zeros to whole words."""
    return b''.join(encode(x).to_bytes(instruction_bytes(word), 'little') for x in instructions)
