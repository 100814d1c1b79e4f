"""Verilog of the accelerator."""

import re
from functools import cache
from unittest.mock import patch

from amaranth.back import rtlil
from amaranth.back import verilog as amaranth_verilog
from amaranth.lib.wiring import Component

from .accelerator import Accelerator
from .sizes import Sizes


@cache
def verilog(sizes: Sizes) -> str:
    """The module ``accelerator`` and its parts, plain Verilog that synthesis tools and Verilator read."""
    return verilog_of(Accelerator(sizes), 'accelerator')


def verilog_of(design: Component, name: str, platform=None) -> str:
    """A design as module ``name`` and its parts; memories without a non-zero word start at any value.

    ``platform`` is amaranth's, given to every part: multiplier.py knows one.
    Elements of arrays are called NAME.3: yosys takes NAME[3], as amaranth calls them, for a bit of the signal NAME.
    """
    with patch.object(rtlil.ModuleEmitter, 'emit_memory', _emit_memory):
        text = amaranth_verilog.convert(design, name=name, platform=platform, emit_src=False, strip_internal_attrs=True)
    return re.sub(r'\\\S+ ', lambda escaped: re.sub(r'\[(\d+)\]', r'.\1', escaped[0]), text)


def _emit_memory(emitter: rtlil.ModuleEmitter, index: int, cell, emit=rtlil.ModuleEmitter.emit_memory) -> None:
    """amaranth's, but for memories of zeros: it spells out each bit of them, which takes seconds."""
    if any(cell.init):
        emit(emitter, index, cell)
