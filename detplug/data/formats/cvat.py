"""CVAT's xml ("CVAT for images" and "CVAT for video" 1.1): boxes, polygons and ellipses; read only.

A folder has annotations.xml, as CVAT exports it, or an xml for each split, as Datumaro writes them.
"""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from detplug.data.formats import shapes
from detplug.data.formats.annotation_set import (
    ALL,
    AnnotationSet,
    Split,
    begins_with_tag,
    image_folder,
    images_near,
    split_name,
)
from detplug.data.records import ImageRecord, ObjectRecord, one_line
from detplug.errors import UserError

FILE = 'annotations.xml'
CORNERS = ('xtl', 'ytl', 'xbr', 'ybr')


def find(source: Path) -> list[Path]:
    """The xml files of ``source``; [] where there are none of CVAT."""
    paths = [source]
    if source.is_dir():
        paths = [source / FILE] if (source / FILE).is_file() else sorted(source.glob('*.xml'))
    return [path for path in paths if path.suffix == '.xml' and path.is_file() and begins_with_tag(path, 'annotations')]


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """A split for each subset of the images, or for each of several files; frames of a video are frame_000000.PNG, ...
    as CVAT exports them."""
    annotations, paths = AnnotationSet([], []), find(source)
    for path in paths:
        _read_file(path, images, annotations, ALL if len(paths) == 1 else path.stem)
    used = {item.name for record in annotations.records for item in record.objects}
    annotations.names += sorted(used.difference(annotations.names))
    return annotations


def _read_file(path: Path, images: Path | None, annotations: AnnotationSet, split: str) -> None:
    """``split``: of images that name no subset."""
    try:
        root = ElementTree.parse(str(path), forbid_dtd=True).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise UserError(f'{path}: not readable as xml ({one_line(error)}); export it again') from None
    names = [(tag.text or '').strip() for tag in root.iterfind('meta//label/name')]
    annotations.names = list(dict.fromkeys([*annotations.names, *names]))
    groups: dict[str, dict[str, ImageRecord]] = {}
    for number, tag in enumerate(root.iterfind('image')):
        record = _image(tag, number, path, annotations)
        group = groups.setdefault(split_name(tag.get('subset') or split), {})
        if record.file_name in group:
            raise UserError(f'{path}: image {one_line(record.file_name)}: is listed twice; export it again')
        group[record.file_name] = record
    if root.find('track') is not None:
        groups[split_name(split)] = _frames(root, path, annotations)
    for name, records in groups.items():
        folder = image_folder(list(records.values()), images_near(path.parent, name, images))
        annotations.splits.append(Split(name, list(records.values()), folder))


def _image(tag: Element, number: int, path: Path, annotations: AnnotationSet) -> ImageRecord:
    name = tag.get('name')
    if not name:
        raise UserError(f'{path}: image[{number}].name: missing; export it again')
    size = [int(_number(tag, side, f'{path}: image {one_line(name)}')) for side in ('width', 'height')]
    record = ImageRecord(name, name.replace('\\', '/'), *size)
    for shape in tag:
        item = _object(shape, len(record.objects), f'{path}: image {one_line(name)}', annotations)
        if item is not None:
            record.objects.append(item)
    return record


def _frames(root: Element, path: Path, annotations: AnnotationSet) -> dict[str, ImageRecord]:
    """The frames of a video task that show a track."""
    size = root.find('meta//original_size')
    if size is None:
        raise UserError(f'{path}: meta: original_size: missing; export it again')
    sides = [int(float(size.findtext(key) or 0)) or None for key in ('width', 'height')]
    records: dict[str, ImageRecord] = {}
    for track in root.iterfind('track'):
        for shape in track:
            if shape.get('outside') == '1':
                continue
            name = f'frame_{int(_number(shape, "frame", f"{path}: track")):06d}.PNG'
            record = records.setdefault(name, ImageRecord(name, name, *sides))
            item = _object(shape, len(record.objects), f'{path}: {name}', annotations, track.get('label'))
            if item is not None:
                record.objects.append(item)
    return dict(sorted(records.items()))


def _object(
    shape: Element, key: int, where: str, annotations: AnnotationSet, label: str | None = None
) -> ObjectRecord | None:
    name = label or shape.get('label')
    if shape.tag == 'box' and name:
        x1, y1, x2, y2 = (_number(shape, corner, f'{where}: box') for corner in CORNERS)
        degrees = float(shape.get('rotation') or 0)
        if degrees:
            annotations.anomalies.append(f'turned box or polygon read as its box: {where}')
        return ObjectRecord(name, shapes.of_rectangle(x1, y1, x2 - x1, y2 - y1, degrees, 'centre'), key)
    if shape.tag == 'polygon' and name:
        annotations.anomalies.append(f'turned box or polygon read as its box: {where}')
        return ObjectRecord(name, shapes.of_points(_points(shape, where)), key)
    if shape.tag == 'ellipse' and name:
        values = (_number(shape, part, f'{where}: ellipse') for part in ('cx', 'cy', 'rx', 'ry'))
        return ObjectRecord(name, shapes.of_ellipse(*values), key)
    annotations.anomalies.append(f'shape without area left out: {where}: {one_line(shape.tag)}')
    return None


def _points(shape: Element, where: str) -> list[tuple[float, float]]:
    try:
        points = [tuple(map(float, pair.split(','))) for pair in (shape.get('points') or '').split(';')]
        if not all(len(point) == 2 for point in points):
            raise ValueError
    except ValueError:
        raise UserError(f'{where}: polygon.points: not x,y;x,y;...; export it again') from None
    return points


def _number(tag: Element, key: str, where: str) -> float:
    try:
        value = float(tag.get(key, ''))
    except ValueError:
        value = float('nan')
    if not abs(value) < 1e9:
        raise UserError(f'{where}: {key}: {one_line(tag.get(key))} is not a finite number; export it again')
    return value
