"""Fields of detections that plugins add: how each is made, selected, drawn and written.

A plugin whose detections have a field ``age`` brings a module ``PACKAGE/result_fields.py``, which imports no torch::

    FIELDS = {'age': ResultField(draw=draw_age)}

Nothing else of the plugin is imported for it but the packages above, so ``PACKAGE/__init__.py`` stays light too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from detplug.entry_points import plugin_table
from detplug.runtime.detections import Detections


def numbers(values: np.ndarray) -> list:
    """(D, ...) numbers as JSON has them, 5 digits after the point."""
    return np.round(values, 5).tolist() if values.dtype.kind != 'f' else np.round(values.astype(float), 5).tolist()


def array_difference(first: np.ndarray, second: np.ndarray, i: np.ndarray, j: np.ndarray) -> float:
    """Largest difference of two (D, ...) arrays at the paired detections ``i``, ``j``."""
    return float(np.abs(first[i] - second[j]).max(initial=0))


@dataclass(frozen=True)
class Option:
    """A threshold of a field that ``predict`` takes: ``--name VALUE``, a number from 0 to 1."""

    name: str
    default: float
    help: str


@dataclass(frozen=True)
class Queue:
    """An order in which a person looks at boxes again: ``predict --queue NAME``.

    Attributes:
        name: of the order.
        column: what the value by which it orders is called in the results.
        help: which boxes come first, to go on after "boxes".
    """

    name: str
    column: str
    help: str


@dataclass(frozen=True)
class ResultField:
    """How one field of the detections of an image is made and shown. D detections.

    Attributes:
        draw: ``(picture (H, W, 3) uint8 BGR with its boxes, detections, value)``; draws into the picture.
        column: value -> one JSON value for each detection, a column of the boxes' table.
        table: value -> rows (dicts of JSON values) of a table of its own, ``NAME.json``.
        refers: names of those columns of ``table`` that are positions of detections, from 0 in each image.
        shown: value, D -> (D,) bool, detections whose boxes are worth drawing; all by default.
        option: a threshold that the user sets, and ``select``: value, threshold -> value.
        outputs: of an exported network, that ``make`` takes: ``make(outputs: name -> array, manifest, D) -> value``.
            By default the output of the field's own name is the value.
        of_sample: torch's result of an image (mmdet's DetDataSample), the model -> value in numpy, or None. By default
            the array of this name in ``pred_instances``.
        queue: the order of a review queue in which the highest value of ``column``, numbers here, comes first.
        finish: detections with all fields, manifest -> detections; called by the runtime of a bundle last, in the order
            of the fields' names.
        difference: two values, indices of paired detections (P,) in each -> largest difference, for export.
    """

    draw: Callable[[np.ndarray, Detections, Any], None] | None = None
    column: Callable[[Any], list] | None = None
    table: Callable[[Any], list[dict]] | None = None
    refers: tuple[str, ...] = ()
    shown: Callable[[Any, int], np.ndarray] | None = None
    option: Option | None = None
    select: Callable[[Any, float], Any] | None = None
    outputs: tuple[str, ...] = ()
    make: Callable[[Mapping[str, np.ndarray], Mapping, int], Any] | None = None
    of_sample: Callable[[Any, Any], Any] | None = None
    queue: Queue | None = None
    finish: Callable[[Detections, Mapping], Detections] | None = None
    difference: Callable[[Any, Any, np.ndarray, np.ndarray], float] = array_difference


@cache
def result_fields() -> dict[str, ResultField]:
    """Of all installed plugins, by name."""
    return plugin_table('result_fields', 'FIELDS', {})


def fields_of_outputs(outputs: Mapping[str, np.ndarray], manifest: Mapping, count: int) -> dict[str, Any]:
    """The fields that the extra outputs of an exported network make, of an image with ``count`` detections.

    Args:
        outputs: name -> (count, ...) array.
    """
    left, fields = dict(outputs), {}
    if not left:
        return fields
    for name, field in result_fields().items():
        of_field = {key: left.pop(key) for key in field.outputs if key in left}
        if of_field:
            fields[name] = field.make(of_field, manifest, count)
    return left | fields


def finished(detections: Detections, manifest: Mapping) -> Detections:
    """The detections of an image after ``finish`` of the fields that they have."""
    for name in sorted(detections.fields):
        field = result_fields().get(name)
        if field is not None and field.finish is not None:
            detections = field.finish(detections, manifest)
    return detections


def fields_of_sample(sample: Any, model: Any) -> dict[str, Any]:
    """The fields of torch's result of an image."""
    fields = {
        name: values
        for name, values in sample.pred_instances.items()
        if name not in ('bboxes', 'scores', 'labels') and isinstance(values, np.ndarray)
    }
    made = {name: field.of_sample(sample, model) for name, field in result_fields().items() if field.of_sample}
    return fields | {name: value for name, value in made.items() if value is not None}
