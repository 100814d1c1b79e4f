"""The decode tail, which is not on the FPGA, as one numpy file of the bundle: the host's own functions, written out."""

import inspect

from detplug.runtime import decode, detections

HEADER = '''"""Integers of the last convolutions -> boxes. numpy only; written by the export, checked against torch.

    detections = detect(maps, json.load(open('manifest.json')))
"""

from collections.abc import Sequence

import numpy as np


def detect(maps: Sequence[np.ndarray], manifest: dict) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes of each image, best first.

    Args:
        maps: of each level (N, C, H, W) integers as the accelerator writes them; q stands for q * 2 ** -frac.
        manifest: of the bundle.

    Returns:
        Of each image boxes (D, 4) xyxy in pixels of the square input, scores (D,), labels (D,).
    """
    outputs = manifest['outputs']
    values = [
        np.asarray(q, np.float32) * np.float32(2.0**-form['frac'])
        for q, form in zip(maps, outputs['formats'], strict=True)
    ]
    boxes, scores = anchor_grid(values, outputs['decode'])
    return [select(*dense, manifest['nms']) for dense in zip(boxes, scores, strict=True)]
'''
PARTS = (decode.sigmoid, decode.anchor_grid, detections.select, detections.greedy_nms)


def postprocessor() -> str:
    """The text of postprocess.py; its function ``detect`` is what the runtime does with a raw graph's maps."""
    return '\n\n'.join([HEADER, *(inspect.getsource(part) for part in PARTS)])
