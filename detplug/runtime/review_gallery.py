"""The boxes of a review queue as a person opens them: a csv, a page of crops, a COCO json to correct the names in."""

import csv
import os
from collections.abc import Iterator, Sequence
from html import escape
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.errors import UserError
from detplug.html_page import page, section
from detplug.images.slides import Slide
from detplug.images.sources import SLIDE, Item
from detplug.images.tiled_engine import crop
from detplug.images.window import Window
from detplug.runtime.collect import BOX
from detplug.runtime.review_queue import Order, QueueEntry
from detplug.runtime.run_folder import QUEUE, RunFolder, crops_in, write_json
from detplug.runtime.shard import table_path
from detplug.runtime.tables import part_of, read_table

IMAGE = ('image_id', 'file_name', 'width', 'height')
AROUND = 0.5  # of the longer side of the box, shown on each side of it
LEAST_AROUND, LARGEST = 16, 512  # px of the picture around a box; side of a crop, larger ones are made smaller
SHOWN = 180  # px of the page, longer side of a crop
STYLE = f"""<style>
.queue {{ display: flex; flex-wrap: wrap; gap: 1em; }} figure {{ margin: 0; width: {SHOWN}px; font-size: 12px; }}
figure div {{ position: relative; }} figure img {{ padding: 0; width: 100%; height: 100%; }}
figure i {{ position: absolute; outline: 1px solid #fff; box-shadow: 0 0 0 2px #000; }}
figcaption {{ overflow-wrap: anywhere; }}</style>"""


def write_queue(
    run: RunFolder, entries: Sequence[QueueEntry], order: Order, categories: dict[str, int], window: Window | None
) -> list[str]:
    """queue.csv, queue.json, queue.html and queue/0001.jpg ... of the boxes in their order.

    Args:
        categories: class name -> category id, in label order.
        window: how pictures of more than 8 bit become 8 bit.

    Returns:
        the reason for each picture from which no crop could be cut.
    """
    folder = run.out / QUEUE
    folder.mkdir(exist_ok=True)
    for path in crops_in(run.out):  # of an earlier queue of the same run
        path.unlink()
    frames: list[tuple | None] = [None] * len(entries)
    reasons = []
    for item, ranks in by_picture(run, entries):
        try:
            picture = item.open_slide() if item.kind == SLIDE else item.read(window)
            for rank in ranks:
                frames[rank] = write_crop(folder / f'{rank + 1:04d}.jpg', picture, entries[rank].values)
        except (UserError, OSError, MemoryError) as error:
            reasons.append(str(error) or f'{item.name}: needs more memory than there is')
    write_text(run.out / f'{QUEUE}.csv', table_text(entries, order))
    write_json(run.out / f'{QUEUE}.json', coco_of(run, entries, order, categories))
    write_text(run.out / f'{QUEUE}.html', gallery(entries, order, frames))
    return reasons


def by_picture(run: RunFolder, entries: Sequence[QueueEntry]) -> Iterator[tuple[Item, list[int]]]:
    """Each picture of the queue, once, with the ranks (from 0) of its boxes."""
    ranks = sorted(range(len(entries)), key=lambda rank: (entries[rank].shard, entries[rank].values['file_name']))
    for shard, of_shard in groupby(ranks, key=lambda rank: entries[rank].shard):
        items = {item.name: item for item in run.items.part_of(shard * run.shard_size, run.shard_size)}
        for name, ranks_of_picture in groupby(of_shard, key=lambda rank: entries[rank].values['file_name']):
            yield items[name], list(ranks_of_picture)


def write_crop(path: Path, picture: np.ndarray | Slide, row: dict[str, Any]) -> tuple[float, ...]:
    """The box and what is around it, at the pixels of the picture; nothing is drawn into it.

    Returns:
        left, top, width, height of the box as shares of the crop; width and height of the crop, px of the picture.
    """
    pixels, frame = cut_crop(picture, row, LARGEST)
    if not cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise UserError(f'{path}: crop not written; check the disk')
    return frame


def cut_crop(picture: np.ndarray | Slide, row: dict[str, Any], largest: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """The pixels of a box and of what is around it, (H, W, 3) uint8 BGR, made smaller where a side is above
    ``largest`` px; and what :func:`write_crop` returns."""
    size = picture.shape[1::-1] if isinstance(picture, np.ndarray) else picture.size
    low, high = crop_window(size, row)
    pixels, sides = crop(picture, (*low, *high)), high - low
    scale = min(1.0, largest / sides.max())
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    corner, side = np.array([row['x'], row['y']]), np.array([row['width'], row['height']])
    return pixels, (*((corner - low) / sides).tolist(), *(side / sides).tolist(), *sides.tolist())


def crop_window(size: Sequence[int], row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Upper left corner and lower right one, (2,) int px each, of what a crop shows of a picture of ``size``."""
    limit = np.array(size)
    corner, side = np.array([row['x'], row['y']]), np.array([row['width'], row['height']])
    around = max(LEAST_AROUND, AROUND * side.max())
    low = np.clip(np.floor(corner - around), 0, limit - 1).astype(int)
    return low, np.clip(np.ceil(corner + side + around), low + 1, limit).astype(int)


def table_text(entries: Sequence[QueueEntry], order: Order) -> str:
    """csv: rank, file_name, box (its number in the picture), x, y, width, height (px), name, score, order's column."""
    text = StringIO()
    columns = (*BOX, 'category_name', 'score', order.queue.column)
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['rank', 'file_name', 'box', *('name' if name == 'category_name' else name for name in columns)])
    for rank, entry in enumerate(entries, start=1):
        values = [entry.values[name] for name in columns]
        rounded = [round(value, 5) if isinstance(value, float) else value for value in values]
        writer.writerow([rank, entry.values['file_name'], entry.values['box'], *rounded])
    return text.getvalue()


def coco_of(run: RunFolder, entries: Sequence[QueueEntry], order: Order, categories: dict[str, int]) -> dict[str, list]:
    """A COCO data set of the queue's pictures with its boxes alone, under the names that the detector gave."""
    images = {}
    for shard in sorted({entry.shard for entry in entries}):
        table = read_table(table_path(run.out, 'images', shard))
        wanted = {entry.values['file_name'] for entry in entries if entry.shard == shard}
        for number, name, width, height in zip(*(table[key] for key in IMAGE), strict=True):
            if name in wanted:
                images[name] = dict(id=number, file_name=name, width=int(width), height=int(height))
    return dict(
        images=list(images.values()),
        annotations=[annotation(number, entry.values, order) for number, entry in enumerate(entries, start=1)],
        categories=[dict(id=number, name=name) for name, number in categories.items()],
    )


def annotation(number: int, row: dict[str, Any], order: Order) -> dict[str, Any]:
    """One box as COCO has it, with its score and its value in the order."""
    bbox = [round(row[key], 2) for key in BOX]
    names = dict(id=number, image_id=row['image_id'], category_id=row['category_id'], bbox=bbox)
    more = {'score': round(row['score'], 5), order.queue.column: row[order.queue.column]}
    return names | dict(area=round(bbox[2] * bbox[3], 2), iscrowd=0) | more


def gallery(entries: Sequence[QueueEntry], order: Order, frames: Sequence[tuple | None]) -> str:
    """The page: a crop for each box, framed, with its rank, name, score, value and file."""
    figures = []
    for rank, (entry, frame) in enumerate(zip(entries, frames, strict=True), start=1):
        row = entry.values
        figure = '<p>no crop</p>'
        if frame is not None:
            left, top, width, height = (f'{100 * share:.2f}%' for share in frame[:4])
            wide, high = (f'{SHOWN * side / max(frame[4:]):.0f}px' for side in frame[4:])
            box = f'<i style="left:{left};top:{top};width:{width};height:{height}"></i>'
            crop_image = f'<img loading="lazy" alt="box {rank}" src="{QUEUE}/{rank:04d}.jpg">'
            figure = f'<div style="width:{wide};height:{high}">{crop_image}{box}</div>'
        words = f'{row["category_name"]} {row["score"]:.2f}, {order.queue.column} {row[order.queue.column]:.3f}'
        text = f'{rank}. {escape(words)}<br>{escape(row["file_name"])}, box {row["box"]}'
        figures.append(f'<figure>{figure}<figcaption>{text}</figcaption></figure>')
    title = f'{len(entries)} boxes to look at: {order.queue.name}'
    return page(title, [STYLE, section(order.queue.name, f'Boxes {order.queue.help}.', *figures, kind='queue')])


def write_text(path: Path, text: str) -> None:
    """Written aside, renamed."""
    part = part_of(path)
    part.write_text(text, encoding='utf-8')
    os.replace(part, path)
