"""Walks the loops of one `Compute`: a pixel a cycle, and beside it the rows of the next weight tile. Ours.

A pass is one weight tile times all pixels of the tile of the map; it lasts `least_cycles` at least, because the N rows
of the next tile are read meanwhile. Before the first pass there are as many cycles, which load its tile.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .instructions import Compute, widths
from .loop_nest import LoopNest
from .sizes import ADDRESS_BITS

BIAS_BITS = widths(Compute)['bias']
LATE = (  # fields of a `Compute` that are needed when the next one may have begun
    'bank', 'signed_in', 'use_bias', 'largest', 'shift', 'signed_out', 'add', 'add_shift', 'signed_add', 'residual',
    'look_up', 'table', 'outside',
    'target',
)  # fmt: skip
TAG = StructLayout(
    {
        'valid': 1,  # there is a place in this cycle
        'first': 1,  # first term of its sum
        'last': 1,  # last term of its sum
        'sum': ADDRESS_BITS,  # entry of the accumulator memory
        'bias': BIAS_BITS,
        'result': ADDRESS_BITS,
        'compute': StructLayout({name: widths(Compute)[name] for name in LATE}),
    }
)


def least_cycles(n: int) -> int:
    """Of a pass: the rows of a weight tile; and a sum must be written before the next pass reads it."""
    return max(n, 5)


class Sequencer(Component):
    """``start`` for one cycle, then ``running`` until the last place was given out; ``compute`` stands still till then.

    All other outputs come one cycle later, when the pointers do.
    """

    def __init__(self, n: int):
        self.n = n
        super().__init__(
            {
                'compute': In(StructLayout(widths(Compute))),
                'start': In(1),
                'running': Out(1),
                'source': Out(ADDRESS_BITS),
                'inside': Out(1),  # the source place lies inside the map
                'swap': Out(1),  # first place of a pass
                'tag': Out(TAG),
                'weights': Out(ADDRESS_BITS),
                'row': Out(range(n)),
                'load': Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        c, step_places, step_rows = self.compute, Signal(), Signal()
        last_row = Signal(range(least_cycles(self.n)), init=least_cycles(self.n) - 1)
        lasts = [c.blocks, c.kernel_rows, c.kernel_cols, c.in_blocks, c.rows, c.cols]
        places = LoopNest(m, lasts, self.start, step_places, late=True)
        tiles = LoopNest(m, [c.blocks, c.terms, last_row], self.start, step_rows, late=True)
        self._pace(m, places, tiles, step_places, step_rows)
        self._addresses(m, places)
        m.d.comb += [
            self.weights.eq(
                tiles.pointer(c.weights, [c.weights_block, c.weights_step, 1], ADDRESS_BITS, 'weight_address')
            ),
            self.row.eq(delayed(m, tiles.index[2], 1)),
        ]
        return m

    def _pace(self, m: Module, places: LoopNest, tiles: LoopNest, step_places, step_rows) -> None:
        """Both nests end a pass together, whichever is ready first waits."""
        primed, placed, loaded, pass_ends = Signal(), Signal(), Signal(), Signal()
        valid, load, entry = Signal(), Signal(), Signal(ADDRESS_BITS)
        last_place, last_row = places.ends[4], tiles.ends[2]
        m.d.comb += [
            pass_ends.eq(self.running & (placed | last_place) & (loaded | last_row)),
            valid.eq(self.running & ~placed),
            load.eq(self.running & ~loaded),
            step_places.eq(primed & (pass_ends | (valid & ~last_place))),
            step_rows.eq(pass_ends | (load & ~last_row)),
        ]
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), primed.eq(0), placed.eq(1), loaded.eq(0)]
        with m.Elif(pass_ends):
            m.d.sync += [primed.eq(1), placed.eq(0), loaded.eq(0), self.running.eq(~(primed & places.ends[0]))]
        with m.Elif(self.running):
            m.d.sync += [placed.eq(placed | last_place), loaded.eq(loaded | last_row)]
        with m.If(self.start | pass_ends):
            m.d.sync += entry.eq(0)
        with m.Elif(valid):
            m.d.sync += entry.eq(entry + 1)
        _, kernel_row, kernel_col, in_block, row, col = places.index
        m.d.sync += [
            self.tag.valid.eq(valid),
            *(getattr(self.tag.compute, name).eq(getattr(self.compute, name)) for name in LATE),
            self.tag.sum.eq(entry),
            self.tag.first.eq((kernel_row == 0) & (kernel_col == 0) & (in_block == 0)),
            self.tag.last.eq(places.at_last[1] & places.at_last[2] & places.at_last[3]),
            self.swap.eq(valid & (row == 0) & (col == 0)),
            self.load.eq(load & (tiles.index[2] < self.n)),
        ]

    def _addresses(self, m: Module, places: LoopNest) -> None:
        c, signed_bits = self.compute, len(self.compute.in_rows) + 1
        row_step = c.source_row << c.stride  # the stride less one is 0 or 1
        strides = [c.source_block, c.source_row, 1, c.source_plane, row_step, c.stride + 1]
        y = places.pointer(-c.top, [0, 1, 0, 0, c.stride + 1, 0], signed_bits, 'y')
        x = places.pointer(-c.left, [0, 0, 1, 0, 0, c.stride + 1], signed_bits, 'x')
        result = places.pointer(
            c.result, [c.result_block, 0, 0, 0, c.result_row, c.result_col], ADDRESS_BITS, 'result_address'
        )
        m.d.comb += [
            self.source.eq(places.pointer(c.source, strides, ADDRESS_BITS, 'source_address')),
            self.inside.eq((y <= c.in_rows) & (x <= c.in_cols)),  # unsigned: a negative place is a large one
            self.tag.bias.eq(places.pointer(c.bias, [1, 0, 0, 0, 0, 0], BIAS_BITS, 'bias_address')),
            self.tag.result.eq(result),
        ]
