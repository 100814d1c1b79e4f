"""One shard of a prediction: its pictures read, detected, drawn, and written as tables.

part-00012.parquet     a row for each box
NAME-00012.parquet     rows of a plugin's field
images-00012.parquet   a row for each file, with the reason where it could not be read; written last: with it the
                       shard is finished and never done again
"""

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.errors import ImageError, UserError
from detplug.images.header import read_header
from detplug.images.sources import SLIDE, Item
from detplug.images.tiled_engine import TiledEngine
from detplug.runtime.detections import Detections
from detplug.runtime.engine import Engine
from detplug.runtime.pictures import draw
from detplug.runtime.result_field import ResultField, result_fields
from detplug.runtime.tables import column_of, write_table
from detplug.runtime.thresholds import DEFAULT

AHEAD = 8  # pictures that are decoded while others are computed
PICTURES = 'pictures'


@dataclass(frozen=True)
class Settings:
    """What the results depend on beside the engine and the pictures.

    Attributes:
        score_thr: from this score on all is kept.
        class_thr: class -> its lowest score, where that is below ``score_thr``.
        thresholds: of the fields of plugins, field -> lowest value.
        tile, overlap: side of a tile (px; 0: whole pictures) and its overlap as a share of it.
        reduce: 1, 2, 4 or 8: pictures are decoded at that part of their size.
        pictures: how many pictures are drawn, the first ones.
        category_ids: class name -> id, of an annotation file; by default label + 1.
    """

    score_thr: float = DEFAULT
    class_thr: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    tile: int = 0
    overlap: float = 0.2
    reduce: int = 1
    pictures: int = 0
    category_ids: dict[str, int] | None = None

    def kept(self, result: Detections) -> np.ndarray:
        """(D,) bool, which detections are kept."""
        lowest = np.array([self.class_thr.get(name, self.score_thr) for name in result.names])
        return result.scores >= (lowest[result.labels] if self.class_thr else self.score_thr)

    def engine(self, engine: Engine) -> Engine:
        """``engine`` as the settings use it."""
        return TiledEngine(engine, self.tile, self.overlap) if self.tile else engine


@dataclass(frozen=True)
class Counts:
    """What came of a shard; ``began`` and ``ended`` are seconds of the clock (Unix time)."""

    files: int = 0
    failed: int = 0
    boxes: int = 0
    began: float = math.inf
    ended: float = 0.0

    def __add__(self, other: 'Counts') -> 'Counts':
        return Counts(
            self.files + other.files,
            self.failed + other.failed,
            self.boxes + other.boxes,
            min(self.began, other.began),
            max(self.ended, other.ended),
        )

    @property
    def seconds(self) -> float:
        """From the first shard's begin to the last one's end."""
        return max(self.ended - self.began, 1e-9)


def finished(out: Path, number: int) -> bool:
    """Whether the shard is written."""
    return table_path(out, 'images', number).exists()


def table_path(out: Path, name: str, number: int) -> Path:
    """The file of a table of a shard."""
    return out / f'{name}-{number:05d}.parquet'


def predict_shard(
    engine: Engine, settings: Settings, out: Path, number: int, items: Sequence[Item], ids: Sequence[Any]
) -> Counts:
    """Predict ``items`` and write their tables into ``out``.

    Args:
        engine: as ``settings.engine`` gives it.
        ids: the image id of each item, or the ImageError that says why it has none.
    """
    fields = {
        name: value for name, value in (result_fields() if engine.fields else {}).items() if name in engine.fields
    }
    rows, began = Rows(fields, settings), time.time()
    with ThreadPoolExecutor(1) as decoder:
        pictures = read_ahead(decoder, zip(items, ids, strict=True), engine.window, settings.reduce)
        while batch := list(islice(pictures, max(1, engine.batch))):
            for (item, image_id, image), result in zip(
                batch, detect(engine, [x[2] for x in batch], [x[0].name for x in batch]), strict=True
            ):
                if isinstance(result, str):
                    rows.fail(item, None if isinstance(image_id, ImageError) else image_id, result)
                    continue
                result = rows.add(item, image_id, image, result)
                if item.number < settings.pictures and isinstance(image, np.ndarray):
                    name = f'{item.number + 1:04d}_{item.path.stem}.jpg'
                    cv2.imwrite(str(out / PICTURES / name), draw(image, result, fields))
    return replace(rows.write(out, number), began=began, ended=time.time())


def read_ahead(
    decoder: ThreadPoolExecutor, items: Iterable[tuple[Item, Any]], window: Any, reduce: int
) -> Iterator[tuple[Item, Any, Any]]:
    """(item, id, picture) in order; the picture is pixels, a slide, or the reason why there is none."""
    waiting: deque[tuple[Item, Any, Future]] = deque()
    for item, image_id in items:
        known = not isinstance(image_id, ImageError)
        picture = decoder.submit(open_picture, item, window, reduce) if known else decoder.submit(str, image_id)
        waiting.append((item, image_id, picture))
        if len(waiting) > AHEAD:
            first = waiting.popleft()
            yield (*first[:2], first[2].result())
    for item, image_id, future in waiting:
        yield item, image_id, future.result()


def open_picture(item: Item, window: Any, reduce: int) -> Any:
    """The pixels of an item, its slide, or the reason (text) why it cannot be read."""
    try:
        return item.open_slide() if item.kind == SLIDE else item.read(window, reduce)
    except (UserError, OSError) as error:
        return str(error)
    except MemoryError:
        return f'{item.name}: needs more memory than there is; give --reduce, or --workers with fewer'


def detect(engine: Engine, images: Sequence[Any], names: Sequence[str] = ()) -> list[Detections | str]:
    """Detections of each image, or the reason why there are none; text is passed on as it is."""
    results: list[Detections | str] = list(images)
    good = [i for i, image in enumerate(images) if not isinstance(image, str)]
    if not good:
        return results
    try:
        named = dict(names=[names[i] for i in good]) if getattr(engine, 'by_name', False) else {}
        detected = engine([images[i] for i in good], **named)
    except (ImageError, MemoryError) as error:  # one picture must not end the others
        if len(good) == 1:
            return [str(error) or type(error).__name__ if i == good[0] else x for i, x in enumerate(results)]
        return [detect(engine, [image], names[i : i + 1])[0] for i, image in enumerate(images)]
    for i, result in zip(good, detected, strict=True):
        results[i] = result
    return results


class Rows:
    """The rows of a shard as they come.

    Args:
        fields: of plugins, those that the engine has.
    """

    def __init__(self, fields: dict[str, ResultField], settings: Settings) -> None:
        self.fields, self.settings = fields, settings
        self.images: list[tuple] = []
        self.boxes: list[dict[str, Any]] = []
        self.tables: dict[str, list[dict]] = {name: [] for name, field in fields.items() if field.table}

    def fail(self, item: Item, image_id: Any, reason: str) -> None:
        """A picture that could not be read."""
        self.images.append((image_id, item.name, None, None, 0, reason))

    def add(self, item: Item, image_id: Any, image: Any, result: Detections) -> Detections:
        """A picture; returns those of its detections that are kept."""
        result = result.where(self.settings.kept(result))
        for name, threshold in self.settings.thresholds.items():
            if name in result.fields:
                result.fields[name] = self.fields[name].select(result.fields[name], threshold)
        scale = self.settings.reduce
        width, height = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
        if scale > 1:
            width, height = read_header(item.path).shown_size
        self.images.append((image_id, item.name, width, height, len(result), None))
        ids = self.settings.category_ids
        categories = [label + 1 if ids is None else ids[result.names[label]] for label in result.labels.tolist()]
        boxes = (result.boxes * np.float32(scale)).clip(0, np.array([width, height] * 2, np.float32))
        columns = dict(
            image_id=[image_id] * len(result),
            file_name=[item.name] * len(result),
            box=np.arange(len(result)),
            category_id=np.asarray(categories, np.int64),
            category_name=[result.names[label] for label in result.labels.tolist()],
            x=boxes[:, 0],
            y=boxes[:, 1],
            width=boxes[:, 2] - boxes[:, 0],
            height=boxes[:, 3] - boxes[:, 1],
            score=result.scores,
        )
        for name, plugin in self.fields.items():
            if name not in result.fields:
                continue
            if plugin.column is not None:
                columns[name] = plugin.column(result.fields[name])
            if plugin.table is not None:
                base = dict(image_id=image_id, file_name=item.name)
                self.tables[name] += [base | row for row in plugin.table(result.fields[name])]
        self.boxes.append(columns)
        return result

    def write(self, out: Path, number: int) -> Counts:
        """Write all tables, that of the images last."""
        names = list(self.boxes[0]) if self.boxes else []
        columns = {name: _joined([part[name] for part in self.boxes]) for name in names}
        write_table(table_path(out, 'part', number), columns)
        for name, rows in self.tables.items():
            keys = dict.fromkeys(key for row in rows for key in row)
            write_table(table_path(out, name, number), {key: column_of([row[key] for row in rows]) for key in keys})
        keys = ('image_id', 'file_name', 'width', 'height', 'boxes', 'error')
        columns = map(list, zip(*self.images, strict=True))
        write_table(table_path(out, 'images', number), dict(zip(keys, columns, strict=True)))
        failed = sum(row[-1] is not None for row in self.images)
        return Counts(len(self.images), failed, sum(row[4] for row in self.images))


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return column_of([value for part in parts for value in part])
