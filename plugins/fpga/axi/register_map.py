"""The registers of `AxiAccelerator`, as the hardware and a driver see them. numpy and torch are not needed. Ours."""

from enum import IntEnum, IntFlag

IDENTITY = 0x64706C67  # 'dplg'


class Register(IntEnum):
    """Byte offsets of registers of 32 bits, little endian; a write of fewer bits is answered and changes nothing.

    What is written while a program runs counts for the next one, but for CONTROL, STATUS and INTERRUPT_ENABLE.
    """

    CONTROL = 0x00  # written: `Control`; read: 0
    STATUS = 0x04  # `Status`; writing DONE clears it
    ERROR = 0x08  # `Error`, of the last program; read only
    INTERRUPT_ENABLE = 0x0C  # bit 0: `interrupt` is 1 while DONE is
    CODE_LOW = 0x10  # byte address of the instructions, a multiple of a word: its lowest bits read 0
    CODE_HIGH = 0x14
    MEMORY_LOW = 0x18  # byte address of word 0 of the memory outside, a multiple of a word too
    MEMORY_HIGH = 0x1C
    COUNT = 0x20  # instructions
    CYCLES_LOW = 0x24  # from start to DONE, of the program that runs or ran; read only
    CYCLES_HIGH = 0x28
    TAKEN = 0x2C  # instructions that were begun; read only
    IDENTITY = 0x30  # IDENTITY; read only
    SHAPE = 0x34  # bytes of a word, of a beat << 8, of an instruction in memory << 16; read only


class Control(IntFlag):
    """Each acts once."""

    START = 1
    ABORT = 2  # ends the program: the bus finishes what it began, then DONE


class Status(IntFlag):
    """Of a program."""

    RUNNING = 1
    DONE = 2


class Error(IntFlag):
    """Why a program ended early, or START_WHILE_RUNNING, which does not end it."""

    READ = 1  # an answer other than OKAY to a read
    WRITE = 2  # to a write
    INSTRUCTION = 4  # bits that are no instruction
    ABORTED = 8
    START_WHILE_RUNNING = 16
