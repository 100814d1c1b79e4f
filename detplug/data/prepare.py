"""Turn an official download into our layout: checked, counted, every anomaly listed, written whole or not at all."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from detplug.images.reading import check_image_file
from detplug.data.records import ImageRecord, clean_boxes, duplicate_boxes, one_line
from detplug.errors import UserError

ROTATED = range(5, 9)  # values of the EXIF orientation that swap width and height
EXIF_ORIENTATION = 0x0112


@dataclass
class Prepared:
    """What a source gives: files of our layout, and what was found on the way.

    Attributes:
        texts: relative path -> content that is written.
        links: relative path -> file of the download that is linked (or copied where links are impossible).
        counts: what was counted in the download, e.g. images and boxes by class.
        official: what the publisher states; a difference is an anomaly.
        anomalies: lines ``KIND: FILE: details``.
    """

    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, Path] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    official: dict[str, int] = field(default_factory=dict)
    anomalies: list[str] = field(default_factory=list)


def prepare(read: Callable[[Path], Prepared], src: str | Path, out: str | Path) -> Prepared:
    """Run one source of ``sources.SOURCES`` and write its layout to ``out``, with anomalies.txt and counts.json beside.

    Everything is written to a folder beside ``out`` that is renamed at the end. An existing ``out`` with the same
    content is left as it is.

    Raises:
        UserError: ``src`` is missing or not the download, or ``out`` exists and differs.
    """
    src, out = Path(src), Path(out)
    if not src.is_dir():
        raise UserError(f'{src}: not a folder; give the unpacked download (data/README.md says where to get it)')
    prepared = read(src)
    for name, stated in prepared.official.items():
        if prepared.counts.get(name, 0) != stated:
            prepared.anomalies.append(
                f'count differs from the official one: {name}: {prepared.counts.get(name, 0)} found, {stated} stated'
            )
    prepared.texts['anomalies.txt'] = ''.join(f'{line}\n' for line in prepared.anomalies)
    prepared.texts['counts.json'] = json.dumps(prepared.counts, indent=1)
    if out.exists():
        _refuse_other_content(out, prepared)
        return prepared
    part = out.with_name(f'{out.name}.part')
    try:
        shutil.rmtree(part, ignore_errors=True)
        _write(part, prepared)
        os.replace(part, out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise UserError(f'{out}: cannot write ({error.strerror or error}); choose another --out') from None
    return prepared


def check_records(records: Iterable[ImageRecord], find_image: Callable[[ImageRecord], Path]) -> list[str]:
    """Anomalies of boxes (degenerate, clipped, duplicate) and files (missing, broken, wrong size, turned by EXIF)."""
    lines = []
    for record in records:
        lines += clean_boxes(record)[1] + duplicate_boxes(record)
        lines += check_image(record, find_image(record))
    return lines


def check_image(record: ImageRecord, path: Path) -> list[str]:
    """Anomalies of one image file (only its header and its end are read)."""
    if not path.is_file():
        return [f'missing image: {one_line(path)}']
    try:
        check_image_file(path)
        with Image.open(path) as image:
            size, turned = image.size, image.getexif().get(EXIF_ORIENTATION) in ROTATED
    except (UserError, UnidentifiedImageError, OSError, ValueError) as error:
        return [f'broken image: {one_line(path)}: {one_line(error)}']
    if size != (record.width, record.height):
        return [f'wrong size: {one_line(path)}: {size[0]}x{size[1]}, annotation says {record.width}x{record.height}']
    return [f'turned by EXIF: {one_line(path)}: readers turn it, its boxes are not'] if turned else []


def count_records(records: Iterable[ImageRecord], prefix: str = '') -> dict[str, int]:
    """``images``, ``boxes`` and boxes of each class, names prefixed."""
    records = list(records)
    classes = Counter(item.name for record in records for item in record.objects)
    return {f'{prefix}images': len(records), f'{prefix}boxes': sum(classes.values())} | {
        f'{prefix}{name}': count for name, count in sorted(classes.items())
    }


def link_images(records: Iterable[ImageRecord], folder: Path, target: str) -> dict[str, Path]:
    """``target/FILE NAME`` -> file, for the images that are there."""
    return {
        f'{target}/{record.file_name}': folder / record.file_name
        for record in records
        if (folder / record.file_name).is_file()
    }


def coco_text(names: list[str], records: list[ImageRecord]) -> str:
    """COCO json of records; categories are numbered from 1 in the order of ``names``, annotations as their keys."""
    number = {name: i + 1 for i, name in enumerate(names)}
    images = [dict(id=r.img_id, file_name=r.file_name, width=r.width, height=r.height) for r in records]
    annotations = []
    for record in records:
        for item in record.objects:
            x1, y1, x2, y2 = item.box
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                dict(
                    id=item.key,
                    image_id=record.img_id,
                    category_id=number[item.name],
                    bbox=box,
                    area=item.area if item.area is not None else box[2] * box[3],
                    iscrowd=int(item.ignored),
                )
            )
    categories = [dict(id=i, name=name) for name, i in number.items()]
    return json.dumps(dict(images=images, annotations=annotations, categories=categories))


def _write(part: Path, prepared: Prepared) -> None:
    for name, text in prepared.texts.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    for name, file in prepared.links.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, path)
        except OSError:  # another disk, or no hard links there
            shutil.copy2(file, path)


def _refuse_other_content(out: Path, prepared: Prepared) -> None:
    for name, text in prepared.texts.items():
        path = out / name
        if not path.is_file() or path.read_bytes() != text.encode():
            raise UserError(f'{path}: exists and differs, or is missing; remove {out} or choose another --out')
    for name, file in prepared.links.items():
        path = out / name
        if not path.is_file() or path.stat().st_size != file.stat().st_size:
            raise UserError(f'{path}: differs from {file}, or is missing; remove {out} or choose another --out')
