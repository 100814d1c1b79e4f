"""Quant nodes: which integers they make. Scales are powers of two, round half to even; maps may have a zero point.

A map has one scale, a kernel or bias one for all or one for each output channel.
"""

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ..hardware.limits import INDEX_BITS
from ..integers.integer_network import Format
from .graph import Graph, attributes

CURE = 'use the FixedPoint quantisers of brevitas (powers of two)'


@dataclass(frozen=True)
class Quantiser:
    """What a Quant node says.

    Attributes:
        fracs: (1,) int64, or (O,) of each output channel.
        signed: of its integers of ``bits`` bits.
        narrow: leaves the smallest integer out.
        zero: the integer of 0; of maps alone.
    """

    fracs: np.ndarray
    signed: bool
    bits: int
    narrow: bool
    zero: int = 0

    @property
    def format(self) -> Format:
        """Of a map, which has one frac."""
        return Format(int(self.fracs[0]), self.signed, self.bits, self.zero)

    @property
    def frac(self) -> int | np.ndarray:
        """One number where all channels have the same."""
        same = bool(np.all(self.fracs == self.fracs[0]))
        return int(self.fracs[0]) if same else self.fracs

    def integers(self, values: np.ndarray) -> np.ndarray:
        """Of stored values (O, ...), the same shape, int64."""
        form = self.format
        scaled = values.astype(np.float64) * 2.0 ** self.fracs.reshape(-1, *(1,) * (values.ndim - 1))
        return np.clip(np.rint(scaled), form.low + self.narrow, form.high).astype(np.int64)


def quantiser(
    graph: Graph,
    node: NodeProto,
    bits: int | range,
    signed: bool | None = None,
    channels: int = 1,
    with_zero: bool = False,
) -> Quantiser:
    """Of a Quant node.

    Args:
        bits: that it must have, one number or a range of them.
        signed: that it must be; None takes both.
        channels: how many scales it may have in place of one, along its first axis.
        with_zero: whether its integers, without a sign, may have a zero point.

    Raises:
        UserError: anything else than power-of-two scales, a zero point, another width, another rounding.
    """
    scale, zero, width = (graph.constant(node, place) for place in (1, 2, 3))
    said = attributes(node)
    if scale.size != 1 and (scale.size != channels or scale.shape[0] != channels):
        problem = (
            f'{scale.size} scales, one a channel' if channels == 1 else f'scales {scale.shape} of {channels} channels'
        )
        raise graph.refuse(node, problem, CURE)
    mantissas, exponents = np.frexp(scale.astype(np.float64).reshape(-1))
    if wrong := np.flatnonzero(mantissas != 0.5).tolist():
        raise graph.refuse(node, f'scale {scale.flat[wrong[0]]:.9g} is no power of two', CURE)
    has_zero = with_zero and not said.get('signed', 1) and zero.size == 1 and zero.item() in range(256)
    if np.any(zero != 0) and not has_zero:
        raise graph.refuse(node, f'zero point {zero.flat[0]:g}', CURE)
    allowed = bits if isinstance(bits, range) else range(bits, bits + 1)
    if width.size != 1 or width.item() not in allowed:
        needed = ' to '.join(str(x) for x in dict.fromkeys((allowed[0], allowed[-1])))
        raise graph.refuse(
            node, f'{width.flat[0]:g} bits where {needed} are needed', f'use a quantiser of {needed} bits'
        )
    if said.get('rounding_mode', 'ROUND') != 'ROUND':
        raise graph.refuse(node, f'rounding mode {said["rounding_mode"]}', 'use ROUND, half to even')
    if signed is not None and bool(said.get('signed', 1)) != signed:
        raise graph.refuse(node, f'{"un" * signed}signed integers', f'use a{" " if signed else "n un"}signed quantiser')
    fracs = 1 - exponents.astype(np.int64)
    return Quantiser(
        fracs, bool(said.get('signed', 1)), int(width.item()), bool(said.get('narrow', 0)), int(zero.flat[0])
    )


def map_format(graph: Graph, node: NodeProto) -> Format:
    """Of a map that a Quant node makes: 8 bits, those that are looked up in a table up to INDEX_BITS; all used.

    Raises:
        UserError: as :func:`quantiser`; a narrow range.
    """
    made = quantiser(graph, node, bits=range(8, INDEX_BITS + 1), with_zero=True)
    if made.narrow:
        raise graph.refuse(node, 'a narrow range for a map', 'use a quantiser with narrow_range=False')
    return made.format
