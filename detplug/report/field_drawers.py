"""Drawers of result fields: how what a plugin's detector says beyond boxes appears in pictures and in predictions.json.

A plugin whose detections have a field ``age`` brings a module ``PACKAGE/drawers.py`` with::

    DRAWERS = {'age': FieldDrawer(draw_age)}
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detplug.entry_points import plugin_table
from detplug.export.detections import Detections

Draw = Callable[[np.ndarray, Detections, np.ndarray], None]
Column = Callable[[np.ndarray], list]


def numbers(values: np.ndarray) -> list:
    """(D, ...) numbers as JSON has them, 5 digits after the point."""
    return np.round(values, 5).tolist() if values.dtype.kind != 'f' else np.round(values.astype(float), 5).tolist()


@dataclass(frozen=True)
class FieldDrawer:
    """How one field of the detections of an image is shown.

    Attributes:
        draw: ``(picture (H, W, 3) uint8 BGR with its boxes, detections, values (D, ...))``; draws into the picture.
        column: values (D, ...) -> one JSON value for each detection, written under the field's name.
    """

    draw: Draw
    column: Column = numbers


def field_drawers(fields: Sequence[str]) -> dict[str, FieldDrawer]:
    """Those of ``fields`` for which an installed plugin has a drawer; without fields no plugin is imported."""
    if not fields:
        return {}
    known = plugin_table('drawers', 'DRAWERS', {})
    return {name: known[name] for name in fields if name in known}
