"""The boxes of a prediction that a person should look at first: ``predict --queue NAME --top N``.

Made at the end from the tables of all shards, one shard in memory at a time and N rows beside it; one box an object.
``uncertain`` works for any detector; plugins bring orders with their fields (:class:`.result_field.Queue`).
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from detplug.errors import UserError
from detplug.runtime.engine import Engine
from detplug.runtime.result_field import Queue, numbers, result_fields
from detplug.runtime.run_folder import RunFolder
from detplug.runtime.shard import table_path
from detplug.runtime.suppression import suppress
from detplug.runtime.tables import read_table

UNCERTAIN = Queue('uncertain', 'margin', 'whose score is nearest to .5')
SAME_OBJECT = 0.5  # IoU of boxes above it


@dataclass(frozen=True)
class Order:
    """An order of boxes: the highest ``priority`` (columns of a table -> (D,)) comes first.

    Attributes:
        queue: its name, the column that it adds to the results, and what it is for.
        field: column of the boxes' table that it needs, None where score and box are enough.
        shown: priority (D,) -> values of the column, as a person reads them.
    """

    queue: Queue
    field: str | None
    priority: Callable[[Mapping[str, list]], np.ndarray]
    shown: Callable[[np.ndarray], np.ndarray]


def orders() -> dict[str, Order]:
    """All orders by name, those of installed plugins last."""
    known = {UNCERTAIN.name: Order(UNCERTAIN, None, _nearest_to_half, np.negative)}
    for name, field in result_fields().items():
        if field.queue is not None and field.queue.name not in known:
            known[field.queue.name] = Order(field.queue, name, lambda table, name=name: np.array(table[name]), np.copy)
    return known


def _nearest_to_half(table: Mapping[str, list]) -> np.ndarray:
    return -np.abs(np.array(table['score'], np.float64) - 0.5)


def check_order(order: Order, engine: Engine) -> None:
    """The engine's detections have what the order needs; where it cannot be read off, a black picture shows it.

    Raises:
        UserError: they do not.
    """
    if order.field is None:
        return
    black = np.zeros((64, 64, 3), np.uint8)
    if order.field not in engine.fields or order.field not in engine([black])[0].fields:
        raise UserError(
            f'--queue {order.queue.name}: this detector gives no {order.field}, so its boxes have no '
            f'{order.queue.column}; give --queue {UNCERTAIN.name}, or a detector that has them'
        )


@dataclass(frozen=True)
class QueueEntry:
    """Where a box of the queue stands: its shard, and its row in the shard's table with the values of that row."""

    shard: int
    row: int
    values: dict[str, Any]


def first_boxes(run: RunFolder, order: Order, top: int) -> list[QueueEntry]:
    """The ``top`` boxes of all finished shards in order; of equals the better score, then the earlier picture.

    Raises:
        UserError: a table of boxes lacks the field.
    """
    best: list[tuple] = []
    for number in run.shards:
        path = table_path(run.out, 'part', number)
        table = read_table(path)
        if not table or not table['score']:
            continue
        if order.field is not None and order.field not in table:
            raise UserError(f'{path}: no {order.field}, by which --queue {order.queue.name} orders boxes; '
                            f'give --queue {UNCERTAIN.name}')  # fmt: skip
        best = heapq.nsmallest(top, chain(best, _of_shard(table, number, order, top)), key=lambda entry: entry[:4])
    return [QueueEntry(shard, row, values) for _, _, shard, row, values in best]


def _of_shard(table: dict[str, list], number: int, order: Order, top: int) -> list[tuple]:
    """(-priority, -score, shard, row, values of the row) of the first ``top`` boxes of a shard."""
    scores, priority = np.array(table['score'], np.float64), order.priority(table)
    corner = np.stack([table['x'], table['y']], 1)
    boxes = np.concatenate([corner, corner + np.stack([table['width'], table['height']], 1)], 1)
    kept = one_box_an_object(table['file_name'], boxes, scores)
    kept = kept[np.lexsort([kept, -scores[kept], -priority[kept]])[:top]]
    shown = numbers(order.shown(priority[kept]))
    rows = [{key: column[row] for key, column in table.items()} for row in kept.tolist()]
    return [
        (-priority[row], -scores[row], number, row, values | {order.queue.column: value})
        for row, values, value in zip(kept.tolist(), rows, shown, strict=True)
    ]


def one_box_an_object(pictures: Sequence[str], boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows of the best-scored box of each object; the rows of a picture stand together.

    Args:
        pictures: name of the picture of each row. boxes: (D, 4) xyxy px. scores: (D,).
    """
    starts = [0, *(i for i in range(1, len(pictures)) if pictures[i] != pictures[i - 1]), len(pictures)]
    parts = [
        start + suppress(boxes[start:end], scores[start:end], SAME_OBJECT)
        for start, end in zip(starts, starts[1:], strict=False)
    ]
    return np.concatenate(parts)
