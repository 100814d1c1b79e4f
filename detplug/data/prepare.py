"""Turn an official download into our layout: checked, counted, every anomaly listed, written whole or not at all."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from detplug.data.missing_sizes import fill_size
from detplug.data.records import ImageRecord, clean_boxes, duplicate_boxes, one_line
from detplug.errors import UserError
from detplug.images.header import read_header
from detplug.images.reading import check_whole


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
        path = find_image(record)
        if record.width is None or record.height is None:
            try:
                lines.append(fill_size(record, path))
            except UserError as error:
                lines.append(f'neither size nor image: {one_line(record.file_name)}: {error}')
                continue
        lines += clean_boxes(record)[1] + duplicate_boxes(record)
        lines += check_image(record, path)
    return lines


def check_image(record: ImageRecord, path: Path) -> list[str]:
    """Anomalies of one image file (only its header and its end are read).

    Readers turn and mirror a picture as its EXIF orientation says. Where that swaps the sides of a picture that is not
    square, the annotated size tells on which of the two the boxes were drawn. Where the size stays the same nothing in
    the files tells: such a picture is listed, and somebody must look at its boxes.
    """
    if not path.is_file():
        return [f'missing image: {one_line(path)}']
    try:
        header = read_header(path)
        check_whole(path)
    except UserError as error:
        return [f'broken image: {one_line(path)}: {one_line(error)}']
    stored, shown, annotated = (header.width, header.height), header.shown_size, (record.width, record.height)
    if annotated not in (stored, shown):
        width, height = shown
        return [f'wrong size: {one_line(path)}: {width}x{height}, annotation says {record.width}x{record.height}']
    if header.orientation == 1 or annotated == shown != stored:
        return []
    orientation = f'{one_line(path)}: orientation {header.orientation}'
    if shown != stored:
        return [f'turned by EXIF, its boxes are not: {orientation}: the annotated size is that of the unturned pixels']
    return [f'turned by EXIF, its boxes perhaps not: {orientation}: keeps the size, look at its boxes']


def count_records(records: Iterable[ImageRecord], prefix: str = '') -> dict[str, int]:
    """``images``, ``boxes`` and boxes of each class, names prefixed."""
    records = list(records)
    classes = Counter(item.name for record in records for item in record.objects)
    return {f'{prefix}images': len(records), f'{prefix}boxes': sum(classes.values())} | {
        f'{prefix}{name}': count for name, count in sorted(classes.items())
    }


def link_images(records: Iterable[ImageRecord], folder: Path, target: str) -> dict[str, Path]:
    """``target/FILE NAME`` -> file, for the images that are there.

    Raises:
        UserError: a file name that leads out of ``folder``, and so out of the folder that is written.
    """
    links = {inside(target, record.file_name): folder / record.file_name for record in records}
    return {name: path for name, path in links.items() if path.is_file()}


def inside(target: str, file_name: str, where: str = '') -> str:
    """``target/file_name``; ``where``: how an error begins.

    Raises:
        UserError: ``file_name`` is absolute or goes up (``..``).
    """
    path = PurePosixPath(file_name.replace('\\', '/'))
    if path.is_absolute() or '..' in path.parts:
        raise UserError(
            f'{where}file_name: {one_line(file_name)}: leads out of the folder of the images; correct the download'
        )
    return f'{target}/{file_name}'


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
