"""The three instructions of the accelerator, and their bits. Ours.

Loads, computes and stores run in three units at the same time, those of a unit one after another in the order of the
program. What an instruction needs of the other units it waits for: so many of their instructions must have ended.

A word is N bytes. A count is stored less one. All addresses count words; in the memories of biases and sums, whose
entries are 4 words wide, they count quarters of an entry in `Load` and `Store`, and entries in `Compute`. A channel's
entry of 32 bits holds its bias and, above it, its shift. The table of an activation is loaded as a part of the biases.
"""

from dataclasses import dataclass, field, fields
from enum import IntEnum

from .limits import INDEX_BITS
from .sizes import ADDRESS_BITS

DDR_BITS = 32
AFTER_BITS = 12  # of a number of instructions that must have ended, modulo 2 ** AFTER_BITS
TABLE = 1 << (ADDRESS_BITS - 1)  # of the tables of activations among the addresses of biases
TABLE_WORDS, TABLES = 1 << INDEX_BITS, 2


class Memory(IntEnum):
    """The memories on the chip: who writes, who reads."""

    ACTIVATIONS = 0  # Load, Compute
    WEIGHTS = 1  # Load or Compute, Compute
    BIASES = 2  # Load, Compute
    SUMS = 3  # Compute, Compute or Store; two banks
    RESULTS = 4  # Compute, Store
    RESIDUALS = 5  # Load, Compute


def bits(width: int):
    """A field that is an unsigned number."""
    return field(default=0, metadata={'bits': width, 'less': 0})


def count(width: int):
    """A field that counts from 1 to 2 ** width."""
    return field(default=1, metadata={'bits': width, 'less': 1})


def after():
    """A field that is a number of instructions of another unit."""
    return field(default=0, metadata={'bits': AFTER_BITS, 'less': 0, 'wraps': True})


def address():
    """A field that is an address or a difference of addresses, modulo the size of the address space."""
    return field(default=0, metadata={'bits': ADDRESS_BITS, 'less': 0, 'wraps': True})


@dataclass(frozen=True)
class Instruction:
    """Of any unit: the loads, computes and stores before it in the program that must have ended when it begins."""

    after_loads: int = after()
    after_computes: int = after()
    after_stores: int = after()


@dataclass(frozen=True)
class Transfer(Instruction):
    """``runs`` runs of ``words`` neighbouring words each, between the memory outside and one on the chip."""

    memory: Memory = bits(3)
    start: int = address()
    step: int = address()  # from run to run on the chip
    words: int = count(ADDRESS_BITS)
    runs: int = count(12)
    ddr: int = bits(DDR_BITS)
    ddr_step: int = bits(DDR_BITS)  # from run to run outside


@dataclass(frozen=True)
class Load(Transfer):
    """From outside to ``memory``: activations, weights, biases or residuals."""


@dataclass(frozen=True)
class Store(Transfer):
    """From ``memory``, results or sums, to outside; ``twice``: each word two times, 2 x ``words`` outside."""

    twice: int = bits(1)


@dataclass(frozen=True)
class Compute(Instruction):
    """A convolution of a tile, or a matrix product, or what can be said as one.

    For every block of N output channels: the sum over (kernel row, kernel column, input block) of a weight tile times
    the N channels of every place, at (stride row + kernel row - top, stride column + kernel column - left) of the
    source; ``outside`` beyond in_rows x in_cols. Then + bias, division by 2 ** shift, clip to 8 bits, or to
    INDEX_BITS and the table. Then, with ``add``, + residual, division by 2 ** add_shift, clip to 8 bits.

    Attributes:
        source: address of the source at output place (0, 0), kernel place (0, 0), which may lie outside.
        source_block, source_plane, source_row: steps per output block, input block, row.
        terms: of the sum: kernel_rows x kernel_cols x in_blocks.
        weights: address of the first tile; its N rows, one an output channel, are neighbours.
        weights_block, weights_step: steps per output block and per term of the sum.
        bias: entry of the first output block; the next blocks follow.
        bank: of the accumulators.
        target: where results go; SUMS leaves 32-bit sums of the last block in the accumulators.
        result, result_block, result_row, result_col: address and steps of the results.
        use_bias: add biases, and divide by their shifts in place of ``shift``.
        outside: the byte of every channel outside of the map, its zero point.
        residual: address of a residual, less that of its result; of the same sign as ``signed_out``.
        signed_add: sign of the final results; of no account without ``add``.
        largest: the largest term instead of the sum; needs ``use_bias`` = 0 and a tile of the identity as weights.
        look_up: the results are those of the table.
    """

    source: int = address()
    source_block: int = address()
    source_plane: int = address()
    source_row: int = address()
    stride: int = count(1)
    in_rows: int = count(12)
    in_cols: int = count(12)
    top: int = bits(4)
    left: int = bits(4)
    kernel_rows: int = count(4)
    kernel_cols: int = count(4)
    in_blocks: int = count(12)
    terms: int = count(16)
    rows: int = count(12)
    cols: int = count(12)
    blocks: int = count(12)
    weights: int = address()
    weights_block: int = address()
    weights_step: int = address()
    bias: int = bits(12)
    use_bias: int = bits(1)
    shift: int = bits(5)
    signed_in: int = bits(1)
    signed_out: int = bits(1)
    largest: int = bits(1)
    look_up: int = bits(1)
    table: int = bits(1)
    outside: int = bits(8)
    add: int = bits(1)
    add_shift: int = bits(5)
    signed_add: int = bits(1)
    residual: int = address()
    bank: int = bits(1)
    target: Memory = bits(3)
    result: int = address()
    result_block: int = address()
    result_row: int = address()
    result_col: int = address()


KINDS = (Load, Store, Compute)
KIND_BITS = 2


def widths(kind: type) -> dict[str, int]:
    """Bits of each field, from the lowest; the kind of the instruction lies below them."""
    return {x.name: x.metadata['bits'] for x in fields(kind)}


INSTRUCTION_BITS = 32 * -(-(KIND_BITS + max(sum(widths(kind).values()) for kind in KINDS)) // 32)


def encode(instruction: Instruction) -> int:
    """Bits of an instruction.

    Raises:
        ValueError: a field that its bits do not hold.
    """
    code, place = KINDS.index(type(instruction)), KIND_BITS
    for x in fields(instruction):
        value = getattr(instruction, x.name) - x.metadata['less']
        if x.metadata.get('wraps'):
            value %= 1 << x.metadata['bits']
        if not 0 <= value < 1 << x.metadata['bits']:
            raise ValueError(f'{type(instruction).__name__}: {x.name}: {value} does not fit {x.metadata["bits"]} bits')
        code |= int(value) << place
        place += x.metadata['bits']
    return code


def decode(code: int) -> Instruction:
    """The instruction of the bits; addresses are not negative."""
    kind = KINDS[code & ((1 << KIND_BITS) - 1)]
    values, code = {}, code >> KIND_BITS
    for x in fields(kind):
        values[x.name] = (code & ((1 << x.metadata['bits']) - 1)) + x.metadata['less']
        code >>= x.metadata['bits']
    return kind(**values)
