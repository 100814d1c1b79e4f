"""Verilog of the accelerator on an AXI bus."""

from functools import cache

from ..hardware.sizes import Sizes
from ..hardware.verilog import verilog_of
from .top import AxiAccelerator


@cache
def axi_verilog(sizes: Sizes, beat: int | None = None, burst: int = 16) -> str:
    """The module ``axi_accelerator`` and its parts; arguments as of `AxiAccelerator`."""
    return verilog_of(AxiAccelerator(sizes, beat, burst), 'axi_accelerator')
