"""Quant nodes: which integers they make. One scale a tensor, a power of two, no zero point, round half to even."""

import math
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..integers.integer_network import Format
from .graph import Graph, attributes

CURE = 'use the FixedPoint quantisers of brevitas (one power of two a tensor)'


@dataclass(frozen=True)
class Quantiser:
    """What a Quant node says: integers of ``format``; ``narrow`` leaves the smallest one out."""

    format: Format
    narrow: bool

    def integers(self, values: np.ndarray) -> np.ndarray:
        """Of stored values, the same shape, int64."""
        low = self.format.low + self.narrow
        return np.clip(np.rint(values.astype(np.float64) * 2.0**self.format.frac), low, self.format.high).astype(
            np.int64
        )


def quantiser(graph: Graph, node: NodeProto, bits: int, signed: bool | None = None) -> Quantiser:
    """Of a Quant node.

    Args:
        bits: that it must have.
        signed: that it must be; None takes both.

    Raises:
        UserError: anything else than one power-of-two scale, a zero point, another width, another rounding.
    """
    scale, zero, width = (graph.constant(node, place) for place in (1, 2, 3))
    said = attributes(node)
    if scale.size != 1:
        raise graph.refuse(node, f'{scale.size} scales, one a channel', CURE)
    mantissa, exponent = math.frexp(float(scale.item()))
    if mantissa != 0.5:
        raise graph.refuse(node, f'scale {scale.item():.9g} is no power of two', CURE)
    if np.any(zero != 0):
        raise graph.refuse(node, f'zero point {zero.flat[0]:g}', CURE)
    if width.size != 1 or width.item() != bits:
        raise graph.refuse(node, f'{width.flat[0]:g} bits where {bits} are needed', f'use a quantiser of {bits} bits')
    if said.get('rounding_mode', 'ROUND') != 'ROUND':
        raise graph.refuse(node, f'rounding mode {said["rounding_mode"]}', 'use ROUND, half to even')
    if signed is not None and bool(said.get('signed', 1)) != signed:
        raise graph.refuse(node, f'{"un" * signed}signed integers', f'use a{" " if signed else "n un"}signed quantiser')
    return Quantiser(Format(1 - exponent, bool(said.get('signed', 1)), bits), bool(said.get('narrow', 0)))


def map_format(graph: Graph, node: NodeProto) -> Format:
    """Of a map that a Quant node makes: 8 bits, all of them used.

    Raises:
        UserError: as :func:`quantiser`; a narrow range.
    """
    read = quantiser(graph, node, bits=8)
    if read.narrow:
        raise graph.refuse(node, 'a narrow range for a map', 'use a quantiser with narrow_range=False')
    return read.format
