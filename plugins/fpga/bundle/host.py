"""rtl/host.py of a bundle: images into the accelerator's memory, maps out of it, numpy alone. Ours.

The file is written out of the functions that the export itself uses, so that both lay out memory alike.
"""

import inspect

import numpy as np

from ..compiler import layout
from ..compiler.fold_stride import fold_map, unfold_map
from ..compiler.layout import map_of_words, map_words, sums_of_words
from ..compiler.lowering import spread

HEADER = '''"""Images into the memory of the accelerator, maps out of it. numpy only; written by the export.

    program = json.load(open('program.json'))
    memory = pack(image, np.fromfile('memory.bin', np.uint8), program)
    ... run it: `driver.py`, or a simulation ...
    maps = outputs(memory, program)  # for detect(maps, manifest) of postprocess.py
"""

from collections.abc import Sequence

import numpy as np
'''


def pack(image: np.ndarray, memory: np.ndarray, program: dict) -> np.ndarray:
    """The memory outside with an image in it.

    Args:
        image: (C, H, W) integers of the network's input: pixel values 0 to 255 in its channel order.
        memory: bytes of memory.bin, which stay as they are.
        program: program.json.

    Returns:
        (words, N) uint8.

    Raises:
        ValueError: an image of another shape, or values beyond 8 bits.
    """
    entry = program['maps'][program['input']]
    if list(image.shape) != entry['shape']:
        raise ValueError(f'image: shape: {image.shape}; must be {tuple(entry["shape"])}')
    low, high = (-128, 127) if entry['signed'] else (0, 255)
    if image.size and (image.min() < low or image.max() > high):
        raise ValueError(f'image: values: {image.min()} to {image.max()}; must be {low} to {high}')
    n = program['word_bytes']
    image = fold_map(image) if entry['folded'] else image
    words = map_words(spread(image, entry['lanes'], n * entry['blocks']), n).reshape(-1, n)
    filled = memory.reshape(-1, n).copy()
    filled[entry['word'] : entry['word'] + len(words)] = words
    return filled


def unpack(memory: np.ndarray, name: str, program: dict) -> np.ndarray:
    """(C, H, W) int64: map ``name`` of the memory outside, (words, N) uint8, after a run."""
    entry, n = program['maps'][name], program['word_bytes']
    rows, cols = (size // (2 if entry['folded'] else 1) for size in entry['shape'][1:])
    channels = n * entry['blocks']
    words = memory.reshape(-1, n)[entry['word'] : entry['word'] + entry['words']]
    if entry['bits'] > 8:
        x = sums_of_words(words.reshape(-1, rows, cols, entry['bits'] // 8, n), channels)
    else:
        x = map_of_words(words.reshape(-1, rows, cols, n), channels, entry['signed'])
    x = x[entry['lanes']]
    return unfold_map(x) if entry['folded'] else x


def outputs(memory: np.ndarray, program: dict) -> list[np.ndarray]:
    """Of each level (1, C, H, W) integers."""
    return [unpack(memory, name, program)[None] for name in program['outputs']]


PARTS = (
    pack, unpack, outputs, spread, map_words, map_of_words, sums_of_words, layout.lanes_last, fold_map, unfold_map,
)  # fmt: skip


def host_text() -> str:
    """The text of rtl/host.py."""
    return '\n\n'.join([HEADER, *(inspect.getsource(part) for part in PARTS)])
