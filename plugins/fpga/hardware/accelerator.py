"""The whole accelerator: a stream of instructions in, a port to a memory outside, six memories. Ours.

Each memory has one port that writes and one that reads. Loads write and computes read activations, weights, biases and
residuals; computes write and stores read results; so all three run at the same time. What else they share (weights that
are rebuilt, sums that are stored) the compiler keeps apart, see `compiler/dependencies.py`.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) has clusters of multipliers, a memory outside and a reconstructor of dense
weights; here one array does both: a `Compute` whose target is the weight memory rebuilds weights.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from .block_ram import block_ram
from .compute_unit import ComputeUnit, drain_cycles
from .controller import Controller
from .delay import delayed
from .instructions import DDR_BITS, INSTRUCTION_BITS, KINDS, Memory
from .load_unit import LoadUnit
from .sizes import ADDRESS_BITS, Sizes
from .store_unit import StoreUnit

PARTS = 4  # words in an entry of sums or biases


class Accelerator(Component):
    """Ports.

    instruction: taken in a cycle in which instruction_valid and instruction_ready are 1; idle: none is there.
    done: a bit for each of KINDS, one of its instructions ends.
    begin: the next instruction is the first one of a program; for one cycle while idle, or a reset.
    read_request, write_request: a run of _words + 1 words outside from _address, held until its _ready.
    read_data with read_valid: the words of the runs that were asked for, in order, at any time; always taken.
    write_data with write: the words of the runs that are written, in order; held until write_ready.
    written: all runs that were asked for are written, so that a read sees them.
    """

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        word = unsigned(8 * sizes.n)
        super().__init__(
            {
                'instruction': In(INSTRUCTION_BITS),
                'instruction_valid': In(1),
                'instruction_ready': Out(1),
                'idle': Out(1),
                'done': Out(len(KINDS)),
                'begin': In(1),
                'read_address': Out(DDR_BITS),
                'read_words': Out(ADDRESS_BITS),
                'read_request': Out(1),
                'read_request_ready': In(1),
                'read_valid': In(1),
                'read_data': In(word),
                'write_address': Out(DDR_BITS),
                'write_words': Out(ADDRESS_BITS),
                'write_request': Out(1),
                'write_request_ready': In(1),
                'write': Out(1),
                'write_ready': In(1),
                'write_data': Out(word),
                'written': In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.controller = controller = Controller(drain_cycles(self.sizes.n))
        m.submodules.load = load = LoadUnit()
        m.submodules.store = store = StoreUnit()
        m.submodules.compute = compute = ComputeUnit(self.sizes.n, self.sizes.paired, self.sizes.poisoned)
        self._control(m, controller, {'load': load, 'store': store, 'compute': compute})
        self._outside(m, load, store)
        loads = Signal(len(Memory))  # one bit a memory: a word from outside goes there in this cycle
        m.d.comb += loads.eq(Mux(load.loaded, 1 << load.load.memory, 0))
        self._words(m, compute, load, loads)
        self._biases(m, compute, load, loads)
        self._stored(m, store, self._results(m, compute, store), self._sums(m, compute, store))
        return m

    def _control(self, m: Module, controller: Controller, units: dict) -> None:
        m.d.comb += [
            controller.code.eq(self.instruction),
            controller.valid.eq(self.instruction_valid),
            self.instruction_ready.eq(controller.ready),
            self.idle.eq(controller.idle),
            self.done.eq(controller.done),
            controller.begin.eq(self.begin),
        ]
        for name, unit in units.items():
            m.d.comb += [
                getattr(unit, name).eq(getattr(controller, name)),
                unit.start.eq(getattr(controller, f'{name}_start')),
                getattr(controller, f'{name}_busy').eq(unit.busy),
            ]

    def _outside(self, m: Module, load: LoadUnit, store: StoreUnit) -> None:
        """The port of the memory outside."""
        m.d.comb += [
            self.read_address.eq(load.address),
            self.read_words.eq(load.load.words),
            self.read_request.eq(load.request),
            load.request_ready.eq(self.read_request_ready),
            load.word_valid.eq(self.read_valid),
            self.write_address.eq(store.address),
            self.write_words.eq(store.request_words),
            self.write_request.eq(store.request),
            store.request_ready.eq(self.write_request_ready),
            self.write.eq(store.stored),
            store.stored_ready.eq(self.write_ready),
            store.written.eq(self.written),
        ]

    def _ram(self, m: Module, name: str, bits: int, depth: int, parts: int = 1) -> tuple:
        return block_ram(m, name, bits, depth, parts, self.sizes.poisoned)

    def _words(self, m: Module, compute: ComputeUnit, load: LoadUnit, loads: Signal) -> None:
        """Memories of words that are loaded: activations, residuals, and weights, which results are written to too.

        A register before each write: a memory has many blocks, and their wires are long.
        """
        sizes, rebuilt = self.sizes, compute.result_write[1]
        for kind, depth, address, data in (
            (Memory.ACTIVATIONS, sizes.activations, compute.source, compute.source_word),
            (Memory.WEIGHTS, sizes.weights, compute.weights, compute.weights_word),
            (Memory.RESIDUALS, sizes.residuals, compute.residual, compute.residual_word),
        ):
            write, read, word = self._ram(m, kind.name.lower(), 8 * sizes.n, depth)
            enable, place, value = loads[kind], load.chip, self.read_data
            if kind == Memory.WEIGHTS:
                enable = enable | rebuilt
                place = Mux(rebuilt, compute.result_to, place)
                value = Mux(rebuilt, compute.result_word.as_value(), value)
            m.d.comb += [
                write.en.eq(delayed(m, enable, 1)),
                write.addr.eq(delayed(m, place, 1)),
                write.data.eq(delayed(m, value, 1)),
                read.addr.eq(address),
                data.eq(delayed(m, word, 1)),
            ]

    def _biases(self, m: Module, compute: ComputeUnit, load: LoadUnit, loads: Signal) -> None:
        """Entries of n x 32 bits, written in quarters."""
        bits = 32 * self.sizes.n
        write, read, word = self._ram(m, 'biases', bits, self.sizes.biases, PARTS)
        m.d.comb += [
            write.en.eq(delayed(m, Mux(loads[Memory.BIASES] & ~load.chip[-1], 1 << load.chip[:2], 0), 1)),
            write.addr.eq(delayed(m, load.chip[2:], 1)),
            write.data.eq(Cat(delayed(m, self.read_data, 1) for _ in range(PARTS))),
            read.addr.eq(compute.bias),
            compute.bias_word.eq(delayed(m, word, 1)),
            compute.table_write.eq(loads[Memory.BIASES] & load.chip[-1]),  # see TABLE
            compute.table_to.eq(load.chip),
            compute.table_word.eq(self.read_data),
        ]

    def _results(self, m: Module, compute: ComputeUnit, store: StoreUnit):
        """The word that is stored of the memory of results."""
        write, read, word = self._ram(m, 'results', 8 * self.sizes.n, self.sizes.results)
        m.d.comb += [
            write.en.eq(compute.result_write[0]),
            write.addr.eq(compute.result_to),
            write.data.eq(compute.result_word.as_value()),
            read.addr.eq(store.chip),
            read.en.eq(store.read_enable),
        ]
        return word

    def _sums(self, m: Module, compute: ComputeUnit, store: StoreUnit):
        """Two banks of entries of n x 32 bits, a register behind each for computes and for stores; what is stored."""
        bits, depth, olds, stored = 32 * self.sizes.n, self.sizes.sums, [], []
        stored_bank, entry = store.chip[2 + exact_log2(depth)], store.chip[2 : 2 + exact_log2(depth)]
        for bank in range(2):
            write, read, word = self._ram(m, f'sums{bank}', bits, depth)
            storing, kept = Signal(name=f'storing{bank}'), Signal(bits, name=f'sums{bank}_kept')
            m.d.comb += [
                storing.eq(store.busy & (store.store.memory == Memory.SUMS) & (stored_bank == bank)),
                write.en.eq(compute.sum_write & (compute.sum_to_bank == bank)),
                write.addr.eq(compute.sum_to),
                write.data.eq(compute.new_sums.as_value()),
                read.en.eq(~storing | store.read_enable),
                read.addr.eq(Mux(storing, entry, compute.sum)),
            ]
            with m.If(store.keep_enable):
                m.d.sync += kept.eq(word)
            olds.append(delayed(m, word, 1))
            stored.append(kept)
        m.d.comb += compute.sum_word.eq(Mux(delayed(m, compute.sum_bank, 2), olds[1], olds[0]))
        place, kept_place = Signal(3), Signal(3)  # of the quarter and its bank, beside the memory and the register
        with m.If(store.read_enable):
            m.d.sync += place.eq(Cat(store.chip[:2], stored_bank))
        with m.If(store.keep_enable):
            m.d.sync += kept_place.eq(place)
        return Mux(kept_place[2], stored[1], stored[0]).word_select(kept_place[:2], bits // PARTS)

    def _stored(self, m: Module, store: StoreUnit, result, part_of_sums) -> None:
        """A register behind the memory, then the choice of a word."""
        kept = Signal(8 * self.sizes.n)
        with m.If(store.keep_enable):
            m.d.sync += kept.eq(result)
        with m.If(store.give_enable):
            m.d.sync += self.write_data.eq(Mux(store.store.memory == Memory.SUMS, part_of_sums, kept))
