"""One convolution as a program: instructions, the memory outside before, and how to read the result. Ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ..hardware.instructions import Instruction
from ..hardware.sizes import Sizes
from ..integers.integer_network import Conv, Format
from .chip import Chip
from .convolution import conv_instructions
from .dependencies import dependent
from .layout import (
    bias_words,
    blocks,
    core_words,
    map_of_words,
    map_words,
    sums_of_words,
    table_words,
    weight_words,
)
from .task import ConvTask, conv_task, entry_bias


@dataclass(frozen=True)
class Program:
    """What is run.

    Attributes:
        outside: (words, N) uint8, the memory outside at the start.
    """

    name: str
    instructions: tuple[Instruction, ...]
    outside: np.ndarray


def place(parts: Mapping[str, int]) -> dict[str, int]:
    """First word of each part, one after another."""
    return dict(zip(parts, accumulate(parts.values(), initial=0), strict=False))


def conv_program(op: Conv, x: np.ndarray, source: Format, sizes: Sizes) -> Program:
    """The program of ``op`` for the integers x (I, H, W) in format ``source``; its parts are placed by `place`.

    Raises:
        UserError: a convolution that the accelerator, or its memories, cannot run.
    """
    task = conv_task(op, source, *x.shape[1:])
    parts = task.parts(sizes.n)
    images = {'input': map_words(x, sizes.n), **weight_images(op, source, sizes.n)}
    images['output'] = np.zeros((parts['output'], sizes.n), np.uint8)
    outside = np.concatenate([images[name].reshape(-1, sizes.n) for name in parts])
    code = [*conv_instructions(task, Chip(sizes), place(parts))]
    return Program(op.name, dependent(code, sizes), outside)


def weight_images(op: Conv, source: Format, n: int) -> dict[str, np.ndarray]:
    """The parts of `ConvTask.parts` that do not change from image to image; ``source`` is the format of the input."""
    shifts = np.zeros(len(op.bias), np.int64) if op.out is None else op.shifts(source)
    images = {'biases': bias_words(entry_bias(op, source), shifts, n)}
    if op.table is not None:
        images['table'] = table_words(op.table, n)
    if op.cores is None:
        return images | {'weights': weight_words(op.weight, n)}
    return images | dict(zip(('first', 'middle', 'last'), core_words(op.cores, n), strict=True))


def output_of(task: ConvTask, outside: np.ndarray, start: int) -> np.ndarray:
    """(O, H', W') int64 of the words at ``start``."""
    n = outside.shape[1]
    words = outside[start : start + task.parts(n)['output']]
    shape = blocks(task.out_channels, n), task.rows, task.cols
    if task.shift is None:
        return sums_of_words(words.reshape(*shape, 4, n), task.out_channels)
    return map_of_words(words.reshape(*shape, n), task.out_channels, task.signed_out)
