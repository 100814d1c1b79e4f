"""A network whose channels fill no blocks: a chain as stem, tables, a scale a channel, nested concatenations."""

from dataclasses import replace

import numpy as np
from fpga_accelerator_cases import conv_case

from plugins.fpga.integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Upsample

MAP = Format(4, signed=True)
OFFSET = Format(5, signed=False, zero=9)


def conv(seed: int, name: str, source: str, channels: tuple[int, int], **kind) -> Conv:
    """Random; the format of all maps is `MAP`, unless ``form`` says otherwise."""
    fields = dict(kernel=1, padding=0, form=MAP, channel_scales=True) | kind
    return replace(conv_case(seed, *channels, (8, 8), **fields).op, name=name, sources=(source,))


def odd_network(rebuilt: bool = False) -> IntegerNetwork:
    """Maps of 3, 5, 6 and 7 channels; the stem is a chain of three convolutions, or ``rebuilt`` from its cores."""
    spatial = dict(kernel=6, stride=2, padding=2)
    stem = (conv(0, 'stem', 'image', (3, 6), ranks=(5, 7), table=True, **spatial),)
    if not rebuilt:
        stem = (
            conv(0, 'first', 'image', (3, 5)),
            conv(1, 'middle', 'first', (5, 7), **spatial),
            conv(2, 'stem', 'middle', (7, 6), table=True),
        )
    ops = (
        *stem,
        conv(3, 'a', 'stem', (6, 3), table=True),
        conv(4, 'b', 'a', (3, 3), kernel=3, padding=1, table=True),
        Add('sum', ('a', 'b'), MAP),
        Concat('cat', ('sum', 'a', 'stem')),
        MaxPool('pool', ('cat',), 5),
        Concat('both', ('pool', 'cat')),
        conv(5, 'c', 'both', (24, 5), kernel=3, padding=1, ranks=(3, 5), channel_scales=False, table=True, form=OFFSET),
        conv(7, 'd', 'c', (5, 5), kernel=3, stride=2, padding=1, table=True, form=OFFSET),
        Upsample('up', ('d',)),
        Concat('top', ('up', 'c')),
        MaxPool('top_pool', ('top',), 3),
        conv(6, 'head', 'top_pool', (10, 9), kernel=3, padding=1, form=None),
    )
    return IntegerNetwork('image', Format(8, False), (3, 12, 8), ops, ('head', 'both'))


def image(seed: int = 0) -> np.ndarray:
    """(3, 12, 8) integers of the input."""
    return np.random.default_rng(seed).integers(0, 256, (3, 12, 8))
