"""GeoJSON as QuPath imports and exports it: a FeatureCollection of polygons an image, in px of the whole picture.

A class is ``properties.classification.name``. The image is the foreign member ``image`` (file_name, width, height) that
is written here, or the file ``STEM`` of ``STEM.geojson``. Classes without an object stand in classes.json, which is
QuPath's own list of a project.
"""

import json
from pathlib import Path
from typing import Any

from detplug.data.coco_file import read_json
from detplug.data.formats import shapes
from detplug.data.formats.annotation_set import (
    ALL,
    AnnotationSet,
    Split,
    image_folder,
    images_near,
    split_name,
    with_suffix,
)
from detplug.data.formats.written import Written, cleaned
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError

SUFFIX, CLASSES = '.geojson', 'classes.json'
COLOURS = ((200, 0, 0), (0, 120, 200), (0, 150, 70), (190, 120, 0), (130, 60, 180), (90, 90, 90))


def find(source: Path) -> list[Path]:
    """The files of ``source``; [] where it has none."""
    if source.is_file():
        return [source] if source.suffix == SUFFIX else []
    return sorted(source.rglob(f'*{SUFFIX}'))


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """A split for each folder below ``source`` that holds files; the files of ``source`` itself are the split all."""
    root = source if source.is_dir() else source.parent
    annotations = AnnotationSet(_classes(root / CLASSES), [])
    groups: dict[str, list[Path]] = {}
    for path in find(source):
        parts = path.relative_to(root).parts
        groups.setdefault(parts[0] if len(parts) > 1 else '', []).append(path)
    names: dict[str, None] = {}
    for group, paths in groups.items():
        name, base = split_name(group) if group else ALL, root / group
        folders = [*images_near(base, name, images), *([] if images else images_near(root, name)), base]
        records = [_record(path, base, folders, annotations) for path in paths]
        annotations.splits.append(Split(name, records, image_folder(records, folders)))
        names |= dict.fromkeys(sorted({item.name for record in records for item in record.objects}))
    annotations.names += [name for name in names if name not in annotations.names]
    return annotations


def _classes(path: Path) -> list[str]:
    if not path.is_file():
        return []
    content = read_json(path)
    entries = content.get('pathClasses') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(x, dict) and isinstance(x.get('name'), str)
                                                for x in entries):  # fmt: skip
        raise UserError(f'{path}: pathClasses: missing or not a list of names; correct or remove the file')
    return [entry['name'] for entry in entries]


def _record(path: Path, base: Path, folders: list[Path], annotations: AnnotationSet) -> ImageRecord:
    content = read_json(path)
    image = content.get('image') if isinstance(content, dict) else None
    name = path.relative_to(base).as_posix().removesuffix(SUFFIX)
    if isinstance(image, dict) and isinstance(image.get('file_name'), str):
        sides = [finite_number(image.get(key)) for key in ('width', 'height')]
        width, height = (int(side) if side and side >= 1 else None for side in sides)
        record = ImageRecord(image['file_name'], image['file_name'].replace('\\', '/'), width, height)
    else:
        file = with_suffix(name, folders)
        record = ImageRecord(file, file, None, None)
    for number, feature in enumerate(_features(content, path)):
        item = _object(feature, number, path, annotations)
        if item is not None:
            record.objects.append(item)
    return record


def _features(content: Any, path: Path) -> list[dict]:
    features = content.get('features') if isinstance(content, dict) else content
    if isinstance(content, dict) and content.get('type') == 'Feature':
        features = [content]
    if not isinstance(features, list) or not all(isinstance(entry, dict) for entry in features):
        raise UserError(f'{path}: features: missing or not a list; a GeoJSON FeatureCollection is wanted')
    return features


def _object(feature: dict, number: int, path: Path, annotations: AnnotationSet) -> ObjectRecord | None:
    where = f'{path}: features[{number}]'
    properties, geometry = feature.get('properties') or {}, feature.get('geometry') or {}
    kind = geometry.get('type') if isinstance(geometry, dict) else None
    name = properties.get('classification') if isinstance(properties, dict) else None
    name = name.get('name') if isinstance(name, dict) else name
    if not isinstance(name, str) or not name.strip():
        annotations.anomalies.append(f'annotation without class left out: {path}: features[{number}]')
        return None
    if kind not in ('Polygon', 'MultiPolygon'):
        annotations.anomalies.append(f'shape without area left out: {path}: features[{number}] ({one_line(kind)})')
        return None
    rings = geometry.get('coordinates')
    try:
        outer = [polygon[0] for polygon in (rings if kind == 'MultiPolygon' else [rings])]
        points = [(finite_number(point[0]), finite_number(point[1])) for ring in outer for point in ring]
    except (TypeError, IndexError, KeyError):
        points = []
    if len(points) < 3 or any(value is None for point in points for value in point):
        raise UserError(f'{where}.geometry.coordinates: not rings of finite x, y; correct or remove it')
    box = shapes.of_points(points)
    corners = {(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])}
    if set(points) != corners:
        annotations.anomalies.append(f'polygon read as its box: {path}: features[{number}]')
    return ObjectRecord(name, box, number)


def write(annotations: AnnotationSet) -> Written:
    """SPLIT/FILE.geojson for each image, images beside them, classes.json.

    Raises:
        UserError: a file name that leads out of the folder.
    """
    out = Written()
    colours = {name: list(COLOURS[i % len(COLOURS)]) for i, name in enumerate(annotations.names)}
    for split in cleaned(annotations, out).splits:
        for record in split.records:
            image = dict(file_name=record.file_name, width=record.width, height=record.height)
            features = [_feature(item, colours[item.name]) for item in record.objects]
            content = dict(type='FeatureCollection', features=features, image=image)
            out.texts[f'{split.name}/{record.file_name}{SUFFIX}'] = json.dumps(content, ensure_ascii=False)
        out.link(split, split.name)
    entries = [dict(name=name, color=_packed(colour)) for name, colour in colours.items()]
    out.texts[CLASSES] = json.dumps(dict(pathClasses=entries), ensure_ascii=False, indent=1)
    return out


def _packed(colour: list[int]) -> int:
    """Colour as QuPath's lists have it: a signed number of alpha, red, green, blue."""
    return int.from_bytes(bytes([255, *colour]), 'big', signed=True)


def _feature(item: ObjectRecord, colour: list[int]) -> dict:
    x1, y1, x2, y2 = item.box
    ring = [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]
    properties = dict(objectType='annotation', classification=dict(name=item.name, color=colour))
    return dict(type='Feature', geometry=dict(type='Polygon', coordinates=[ring]), properties=properties)
