"""Verilog of the accelerator."""

import re
from functools import cache

from amaranth.back import verilog as amaranth_verilog
from amaranth.lib.wiring import Component

from .accelerator import Accelerator
from .sizes import Sizes

ZERO_WORD = re.compile(r"^ +\S+ ?\[\d+\] = \d+'[hd]0+;\n", re.MULTILINE)  # memories start at any value


@cache  # deep memories take seconds
def verilog(sizes: Sizes) -> str:
    """The module ``accelerator`` and its parts, plain Verilog that synthesis tools and Verilator read."""
    return verilog_of(Accelerator(sizes), 'accelerator')


def verilog_of(design: Component, name: str) -> str:
    """A design as module ``name`` and its parts."""
    text = amaranth_verilog.convert(design, name=name, emit_src=False, strip_internal_attrs=True)
    return ZERO_WORD.sub('', text)
