"""QONNX, the interchange format of quantised networks: written from brevitas, read back in integers, compared.

QONNX is ONNX with Quant nodes (Pappalardo et al., arXiv 2206.07527); which part of it is written and read here is
ours: 8 bits, power-of-two scales, one a map and one a channel of a kernel, round half to even. Modules ``write``,
``execution`` and ``difference`` need the extra [fpga]; this package itself does not.
"""

from .cores import attach_cores
from .export import export_integers
from .read import read_qonnx

__all__ = ['attach_cores', 'export_integers', 'read_qonnx']
