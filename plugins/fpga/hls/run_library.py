"""A program of its own: load a compiled project and run it; see simulate.py. Needs numpy only.

run_library.py LIBRARY NAME GIVEN.npz MADE.npz

GIVEN: x (N, H, W, C) float64; sizes of the outputs; names of traced layers and their sizes. MADE: arrays 0, 1, ...
(N, size) float64: of the traced layers if there are any, otherwise of the outputs.
"""

import ctypes
import sys

import numpy as np

DOUBLES = np.ctypeslib.ndpointer(np.float64, flags='C_CONTIGUOUS')


class TracedLayer(ctypes.Structure):
    """hls4ml's ``trace_data``: name of a layer and what it made."""

    _fields_ = [('name', ctypes.c_char_p), ('data', ctypes.POINTER(ctypes.c_double))]


def run_all(library: ctypes.CDLL, name: str, x: np.ndarray, sizes: np.ndarray, traced: dict[str, int]) -> list:
    """Arrays (N, size) of the traced layers or of the outputs."""
    top = getattr(library, f'{name}_double')
    top.restype, top.argtypes = None, [DOUBLES] * (1 + len(sizes))
    table = (TracedLayer * len(traced))()
    if traced:
        library.allocate_trace_storage(ctypes.c_size_t(8))
    kept = [np.zeros((len(x), size)) for size in (traced.values() if traced else sizes)]
    for number, image in enumerate(x):
        outputs = [np.zeros(size) for size in sizes]
        top(image, *outputs)
        if traced:
            library.collect_trace_output(table)
            maps = {layer.name.decode(): layer.data for layer in table}
            outputs = [np.ctypeslib.as_array(maps[name], (size,)) for name, size in traced.items()]
        for keep, output in zip(kept, outputs, strict=True):
            keep[number] = output
    return kept


if __name__ == '__main__':
    path, name, given, made = sys.argv[1:]
    with np.load(given) as data:
        traced = dict(zip(data['traced'].tolist(), data['trace_sizes'].tolist(), strict=True))
        arrays = run_all(ctypes.CDLL(path), name, data['x'], data['sizes'].tolist(), traced)
    np.savez(made, **{str(place): array for place, array in enumerate(arrays)})
