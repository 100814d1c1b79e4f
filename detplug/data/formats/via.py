"""VGG Image Annotator (VIA 1 and 2): a json of images with regions; read only.

The class is a region attribute: the only one, or one of the usual names. A checkbox with one option set is that option.
"""

from pathlib import Path
from typing import Any

from detplug.data.coco_file import read_json
from detplug.data.formats import shapes
from detplug.data.formats.annotation_set import ALL, AnnotationSet, Split, image_folder, images_near, split_name
from detplug.data.formats.coco import is_coco
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError

PARTS = ('shape_attributes', 'region_attributes')
PROJECT, USUAL = '_via_img_metadata', ('class', 'label', 'name', 'type', 'category')
SHAPES = {'rect': ('x', 'y', 'width', 'height'), 'circle': ('cx', 'cy', 'r'), 'ellipse': ('cx', 'cy', 'rx', 'ry')}


def find(source: Path) -> list[Path]:
    """The VIA files of ``source``; [] where it has none."""
    files = [source] if source.is_file() else sorted([*source.glob('*.json'), *source.glob('*/via_*.json')])
    return [path for path in files if path.suffix == '.json' and _images(path)]


def _images(path: Path) -> dict[str, dict]:
    """Key -> entry of an image; {} where the file is no VIA file."""
    if is_coco(path):
        return {}
    try:
        content = read_json(path)
    except UserError:
        return {}
    content = content.get(PROJECT, content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not content:
        return {}
    wanted = all(isinstance(entry, dict) and {'filename', 'regions'} <= entry.keys() for entry in content.values())
    return content if wanted else {}


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """A split for each file: named by its folder where that is one's, else ``all``."""
    annotations = AnnotationSet([], [])
    for path in find(source):
        entries = _images(path)
        attribute = _attribute(entries, path)
        folder = split_name(path.parent.name)
        name = folder if folder in ('train', 'val', 'test') else split_name(path.stem)
        name = name if name in ('train', 'val', 'test') else ALL
        records = [_record(entry, path, attribute, annotations) for entry in entries.values()]
        annotations.splits.append(Split(name, records, image_folder(records, images_near(path.parent, name, images))))
    annotations.names = sorted({item.name for record in annotations.records for item in record.objects})
    return annotations


def _regions(entry: dict, path: Path) -> list[tuple[dict, dict]]:
    """(shape, attributes) of each region; VIA 1 has an object with numbers as keys, VIA 2 a list.

    Raises:
        UserError: neither of them, or parts of a region that are no objects.
    """
    regions = entry['regions'] or []
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    pairs = []
    for number, region in enumerate(regions if isinstance(regions, list) else [None]):
        parts = [region.get(key) or {} if isinstance(region, dict) else None for key in PARTS]
        if not all(isinstance(part, dict) for part in parts):
            raise UserError(
                f'{path}: {one_line(entry["filename"])}: regions[{number}]: no region of VIA; save it again'
            )
        pairs.append(tuple(parts))
    return pairs


def _attribute(entries: dict[str, dict], path: Path) -> str | None:
    """The region attribute that holds the class; None where no region has any.

    Raises:
        UserError: there are several, none of a usual name.
    """
    names = dict.fromkeys(
        key for entry in entries.values() for _, attributes in _regions(entry, path) for key in attributes
    )
    if len(names) > 1:
        usual = [name for name in USUAL if name in names]
        if not usual:
            raise UserError(
                f'{path}: region_attributes: {one_line(", ".join(names))}: which is the class? name it class'
            )
        return usual[0]
    return next(iter(names), None)


def _record(entry: dict, path: Path, attribute: str | None, annotations: AnnotationSet) -> ImageRecord:
    name = str(entry['filename']).replace('\\', '/')
    record = ImageRecord(name, name, None, None)
    for number, (shape, attributes) in enumerate(_regions(entry, path)):
        where = f'{path}: {one_line(name)}: regions[{number}]'
        label = _label(attributes.get(attribute))
        if label is None:
            annotations.anomalies.append(f'annotation without class left out: {where}')
            continue
        box = _box(shape, where, annotations)
        if box is not None:
            record.objects.append(ObjectRecord(label, box, number))
    return record


def _label(value: Any) -> str | None:
    if isinstance(value, dict):  # a checkbox
        chosen = [key for key, on in value.items() if on]
        value = chosen[0] if len(chosen) == 1 else None
    return value.strip() if isinstance(value, str) and value.strip() else None


def _box(shape: dict, where: str, annotations: AnnotationSet) -> shapes.Box | None:
    kind = shape.get('name')
    if kind == 'polygon' or kind == 'polyline':
        x, y = shape.get('all_points_x'), shape.get('all_points_y')
        points = list(zip(x, y, strict=False)) if isinstance(x, list) and isinstance(y, list) else []
        if len(points) < 2 or any(finite_number(value) is None for point in points for value in point):
            raise UserError(f'{where}.all_points_x: not finite numbers; correct it')
        annotations.anomalies.append(f'polygon read as its box: {where}')
        return shapes.of_points(points)
    if not isinstance(kind, str) or kind not in SHAPES:
        annotations.anomalies.append(f'shape without area left out: {where} ({one_line(kind)})')
        return None
    values = [finite_number(shape.get(key)) for key in SHAPES[kind]]
    if None in values:
        raise UserError(f'{where}.shape_attributes: {", ".join(SHAPES[kind])}: not finite numbers; correct it')
    if kind == 'rect':
        return shapes.of_rectangle(*values)
    if kind == 'circle':
        return shapes.of_ellipse(*values[:2], values[2], values[2])
    return shapes.of_ellipse(*values, finite_number(shape.get('theta')) or 0.0)
