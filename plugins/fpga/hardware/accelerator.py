"""The whole accelerator: a stream of instructions in, a port to a memory outside, four memories. Ours.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) has clusters of multipliers, a memory outside and a reconstructor of dense
weights; here one array does both: a `Compute` whose target is the weight memory rebuilds weights.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib.memory import Memory as Ram
from amaranth.lib.wiring import Component, In, Out

from .compute_unit import ComputeUnit
from .controller import Controller
from .delay import delayed
from .instructions import DDR_BITS, INSTRUCTION_BITS, Memory
from .sizes import ADDRESS_BITS, Sizes
from .transfer_unit import TransferUnit

PARTS = 4  # words in an entry of sums or biases


class Accelerator(Component):
    """Ports.

    instruction: taken in a cycle in which instruction_valid and instruction_ready are 1; idle: none is running.
    read_request, write_request: a run of request_words + 1 words outside from request_address, held until its _ready.
    read_data with read_valid: the words of the runs that were asked for, in order, at any time; always taken.
    write_data with write: the words of the runs that are written, in order; held until write_ready.
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
                'request_address': Out(DDR_BITS),
                'request_words': Out(ADDRESS_BITS),
                'read_request': Out(1),
                'read_request_ready': In(1),
                'read_valid': In(1),
                'read_data': In(word),
                'write_request': Out(1),
                'write_request_ready': In(1),
                'write': Out(1),
                'write_ready': In(1),
                'write_data': Out(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.controller = controller = Controller()
        m.submodules.compute = compute = ComputeUnit(self.sizes.n)
        m.submodules.transfer = transfer = TransferUnit()
        self._control(m, controller, compute, transfer)
        loads = Signal(len(Memory))  # one bit a memory: a word from outside goes there in this cycle
        m.d.comb += loads.eq(Mux(transfer.loaded, 1 << controller.transfer.memory, 0))
        self._words(m, compute, transfer, loads)
        self._entries(m, compute, transfer, loads)
        self._outside(m, controller, transfer)
        return m

    def _control(self, m: Module, controller: Controller, compute: ComputeUnit, transfer: TransferUnit) -> None:
        m.d.comb += [
            controller.code.eq(self.instruction),
            controller.valid.eq(self.instruction_valid),
            self.instruction_ready.eq(controller.ready),
            self.idle.eq(controller.ready),
            controller.busy.eq(compute.busy | transfer.busy),
            compute.compute.eq(controller.compute),
            compute.start.eq(controller.start_compute),
            transfer.transfer.eq(controller.transfer),
            transfer.store.eq(controller.store),
            transfer.start.eq(controller.start_transfer),
        ]

    def _outside(self, m: Module, controller: Controller, transfer: TransferUnit) -> None:
        """The port of the memory outside."""
        store = controller.store
        m.d.comb += [
            self.request_address.eq(transfer.address),
            self.request_words.eq(controller.transfer.words),
            self.read_request.eq(transfer.request & ~store),
            self.write_request.eq(transfer.request & store),
            transfer.request_ready.eq(Mux(store, self.write_request_ready, self.read_request_ready)),
            transfer.word_valid.eq(self.read_valid),
            self.write.eq(transfer.stored),
            transfer.stored_ready.eq(self.write_ready),
        ]

    def _words(self, m: Module, compute: ComputeUnit, transfer: TransferUnit, loads: Signal) -> None:
        """Memories of words: activations and weights, written from outside or with results."""
        memories = {Memory.ACTIVATIONS: self.sizes.activations, Memory.WEIGHTS: self.sizes.weights}
        reads = {}
        for kind, depth in memories.items():
            m.submodules[kind.name.lower()] = ram = Ram(shape=unsigned(8 * self.sizes.n), depth=depth, init=[])
            write, reads[kind] = ram.write_port(), ram.read_port()
            m.d.comb += [
                write.en.eq(loads[kind] | compute.result_write[kind]),
                write.addr.eq(Mux(loads[kind], transfer.chip, compute.result_to)),
                write.data.eq(Mux(loads[kind], self.read_data, compute.result_word.as_value())),
            ]
        (activations, weights), word = reads.values(), Signal(8 * self.sizes.n)
        with m.If(transfer.keep_enable):
            m.d.sync += word.eq(activations.data)  # a memory's output is slow
        m.d.comb += [
            activations.addr.eq(Mux(transfer.busy, transfer.chip, compute.source)),
            activations.en.eq(transfer.read_enable),
            compute.source_word.eq(activations.data),
            weights.addr.eq(compute.weights),
            compute.weights_word.eq(weights.data),
            self.write_data.eq(word),  # unless sums are stored, see below
        ]

    def _entries(self, m: Module, compute: ComputeUnit, transfer: TransferUnit, loads: Signal) -> None:
        """Memories of n x 32 bits: biases, written in quarters, and sums, read in quarters by a `Store`."""
        bits = 32 * self.sizes.n
        m.submodules.biases = biases = Ram(shape=unsigned(bits), depth=self.sizes.biases, init=[])
        m.submodules.sums = sums = Ram(shape=unsigned(bits), depth=self.sizes.sums, init=[])
        bias_in, bias_out = biases.write_port(granularity=bits // PARTS), biases.read_port()
        sum_in, sum_out = sums.write_port(), sums.read_port()
        part, next_part, sum_word = Signal(2), Signal(2), Signal(bits)
        with m.If(transfer.read_enable):
            m.d.sync += next_part.eq(transfer.chip[:2])
        with m.If(transfer.keep_enable):
            m.d.sync += [part.eq(next_part), sum_word.eq(sum_out.data)]  # as above
        m.d.comb += [
            bias_in.en.eq(Mux(loads[Memory.BIASES] & ~transfer.chip[-1], 1 << transfer.chip[:2], 0)),
            bias_in.addr.eq(transfer.chip[2:]),
            bias_in.data.eq(Cat(self.read_data for _ in range(PARTS))),
            bias_out.addr.eq(compute.bias),
            compute.bias_word.eq(delayed(m, bias_out.data, 1)),
            compute.table_write.eq(loads[Memory.BIASES] & transfer.chip[-1]),  # see TABLE
            compute.table_to.eq(transfer.chip),
            compute.table_word.eq(self.read_data),
            sum_in.en.eq(compute.sum_write),
            sum_in.addr.eq(compute.sum_to),
            sum_in.data.eq(compute.new_sums.as_value()),
            sum_out.en.eq(transfer.read_enable),
            sum_out.addr.eq(Mux(transfer.busy, transfer.chip[2:], compute.sum)),
            compute.sum_word.eq(sum_word),
        ]
        with m.If(transfer.transfer.memory == Memory.SUMS):
            m.d.comb += self.write_data.eq(sum_word.word_select(part, bits // PARTS))
