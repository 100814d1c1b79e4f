"""Do torch, qonnx and the integers compute the same? The first tensor that differs is named. Nothing is rounded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..integers.integer_network import IntegerNetwork
from .execution import QonnxExecution
from .images import to_integers
from .torch_maps import torch_maps


@dataclass(frozen=True)
class Difference:
    """The first tensor, in the order in which they are computed, that differs.

    Attributes:
        tensor: its name in the file.
        wrong, right: 'qonnx' or 'integers', and what they were compared with, 'torch' or 'qonnx'.
        mismatches, size: values of it that differ, and all its values.
        image: number of the first image in which it differs.
    """

    tensor: str
    wrong: str
    right: str
    mismatches: int
    size: int
    image: int

    def __str__(self) -> str:
        what = f'{self.mismatches} of {self.size} values differ between {self.wrong} and {self.right}'
        return f'{self.tensor}: {what} in image {self.image}'


def first_difference(
    network: nn.Module, path: str | Path, integers: IntegerNetwork | None, images: Iterable[np.ndarray]
) -> Difference | None:
    """Run three ways and compare every map, image by image.

    Args:
        network: what the file was written from, in eval mode.
        path: of the QONNX file.
        integers: what :func:`read_qonnx` made of it, perhaps with cores; None compares torch and qonnx alone.
        images: (3, S, S) float32 each, 0..1.

    Returns:
        None where all are equal.
    """
    qonnx = QonnxExecution(path)
    for number, image in enumerate(images):
        first = compare(network, qonnx, integers, image[None])
        if first is not None:
            return Difference(*first, number)
    return None


def compare(
    network: nn.Module, qonnx: QonnxExecution, integers: IntegerNetwork | None, image: np.ndarray
) -> tuple[str, str, str, int, int] | None:
    """The first five attributes of the difference in one image (1, 3, S, S)."""
    calls, outputs = torch_maps(network, torch.from_numpy(image))
    in_torch = {tensor: calls[call] for tensor, call in qonnx.calls.items() if call in calls}
    in_torch |= dict(zip(qonnx.outputs, outputs, strict=True))
    in_qonnx = qonnx(image)
    in_integers = {} if integers is None else values(integers, image)
    for name in in_integers or in_torch:
        right, expected = ('torch', in_torch[name]) if name in in_torch else ('qonnx', in_qonnx[name])
        for wrong, maps in ('qonnx', in_qonnx), ('integers', in_integers):
            mismatches = count_mismatches(maps.get(name, expected), expected)
            if mismatches:
                return name, wrong, right, mismatches, expected.size
    return None


def values(integers: IntegerNetwork, image: np.ndarray) -> dict[str, np.ndarray]:
    """All maps as float64 values, in the order in which they are computed."""
    maps = integers.run(to_integers(image, integers.input_format))
    return {name: integers.formats[name].values(q) for name, q in maps.items()}


def count_mismatches(values: np.ndarray, expected: np.ndarray) -> int:
    """How many values differ; all of them where the shapes do."""
    return int(np.count_nonzero(values != expected)) if values.shape == expected.shape else max(expected.size, 1)
