"""Label Studio: json tasks with rectangles in percent, and config.xml with the names; pre-annotations have scores.

Boxes with a score are written as ``predictions`` (pre-annotations), others as ``annotations``.
"""

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from defusedxml import ElementTree

from detplug.data.coco_file import read_json
from detplug.data.formats import shapes
from detplug.data.formats.annotation_set import (
    ALL,
    AnnotationSet,
    Split,
    image_folder,
    images_near,
    split_name,
)
from detplug.data.formats.coco import is_coco
from detplug.data.formats.written import Written, check_xml_names, cleaned
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError

CONFIG, ROOT = 'config.xml', 'data'  # first part of an address on its server
PREFIX = f'/{ROOT}/local-files/?d='
LABELS = ('rectanglelabels', 'polygonlabels', 'ellipselabels', 'labels')
PERCENT = 100.0


def find(source: Path) -> list[Path]:
    """The task files of ``source``; [] where it has none."""
    files = [source] if source.is_file() else sorted(source.glob('*.json'))
    return [path for path in files if path.suffix == '.json' and _is_tasks(path)]


def _is_tasks(path: Path) -> bool:
    if is_coco(path):
        return False
    try:
        content = read_json(path)
    except UserError:
        return False
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(x, dict) and isinstance(x.get('data'), dict) for x in content[:5])
    )


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """A split for each file; one file alone is the split all unless it is named as one."""
    files = find(source)
    annotation_set = AnnotationSet(_names(files[0].parent / CONFIG), [])
    used: set[str] = set()
    for path in files:
        name = split_name(path.stem)
        name = name if len(files) > 1 or name in ('train', 'val', 'test') else ALL
        records = [_record(task, i, path, annotation_set) for i, task in enumerate(read_json(path))]
        near = images_near(path.parent, name, images)
        prefix = f'images/{path.stem}/'  # as it is written here
        if all(record.file_name.startswith(prefix) for record in records):
            near = near if images is not None else [path.parent / prefix, *near]
            for record in records:
                record.file_name = record.file_name.removeprefix(prefix)
        folder = image_folder(records, near)
        annotation_set.splits.append(Split(name, records, folder))
        used |= {item.name for record in records for item in record.objects}
    annotation_set.names += sorted(used.difference(annotation_set.names))
    return annotation_set


def _names(path: Path) -> list[str]:
    """The values of all Label tags of a labelling config."""
    if not path.is_file():
        return []
    try:
        root = ElementTree.parse(str(path), forbid_dtd=True).getroot()
    except Exception as error:  # what defusedxml and expat raise have no other base
        raise UserError(f'{path}: not readable as xml ({one_line(error)}); export it again') from None
    return [tag.get('value', '') for tag in root.iter('Label')]


def _record(task: Any, index: int, path: Path, annotation_set: AnnotationSet) -> ImageRecord:
    where = f'{path}: [{index}]'
    data = task.get('data') if isinstance(task, dict) else None
    text = data.get('image') or data.get('img') if isinstance(data, dict) else None
    if not isinstance(text, str) or not text:
        raise UserError(f'{where}.data.image: missing; the tasks must be of images')
    name = image_name(text)
    size = [finite_number(data.get(key)) for key in ('width', 'height')]
    record = ImageRecord(name, name, *(int(side) if side and side >= 1 else None for side in size))
    annotations = _dicts(task.get('annotations') or task.get('completions'), f'{where}.annotations')
    done = [x for x in annotations if not x.get('was_cancelled')]
    if len(done) > 1:
        annotation_set.anomalies.append(f'several annotations of an image, the last is taken: {path}: {one_line(name)}')
    predictions = _dicts(task.get('predictions'), f'{where}.predictions')
    scored = not done and bool(predictions)
    last = (predictions if scored else done)[-1:]
    results = _dicts(last[0].get('result'), f'{where}.result') if last else []
    for number, result in enumerate(results):
        item = _object(result, number, record, f'{where}.result[{number}]', annotation_set)
        if item is not None:
            item.score = finite_number(result.get('score')) if scored else None
            record.objects.append(item)
    return record


def _dicts(value: Any, where: str) -> list[dict]:
    """A list of objects; [] for none.

    Raises:
        UserError: anything else.
    """
    if not value:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise UserError(f'{where}: not a list of objects; export the tasks as JSON again')
    return value


def image_name(text: str) -> str:
    """The file name in an address of Label Studio: of local files, of uploads, of the web, or a path."""
    parts = urlsplit(text)
    if 'd' in parse_qs(parts.query):
        path = parse_qs(parts.query)['d'][0]
    else:
        path = unquote(parts.path) if parts.scheme or text.startswith(f'/{ROOT}/') else text
    if parts.scheme in ('http', 'https', 's3', 'gs') or path.startswith(f'/{ROOT}/upload/'):
        path = PurePosixPath(path).name
    return path.lstrip('/').replace('\\', '/')


def _object(
    result: dict, number: int, record: ImageRecord, where: str, annotation_set: AnnotationSet
) -> ObjectRecord | None:
    value = result.get('value')
    if not isinstance(value, dict):
        raise UserError(f'{where}.value: missing; export the tasks as JSON again')
    labels = (value.get(key) for key in LABELS)
    name = next((x[0] for x in labels if isinstance(x, list) and x and isinstance(x[0], str)), None)
    shape = _shape(value)
    if name is None or shape is None:
        what = 'result without class' if name is None else 'result without box'
        annotation_set.anomalies.append(
            f'{what} left out: {one_line(record.file_name)}: {where} ({result.get("type")})'
        )
        return None
    for key, side in (('original_width', 'width'), ('original_height', 'height')):
        pixels = finite_number(result.get(key))
        if pixels is not None and pixels >= 1:
            setattr(record, side, int(pixels))
    if record.width is None or record.height is None:
        raise UserError(f'{where}.original_width: missing; export the tasks as JSON again')
    if value.get('rotation') or 'points' in value:
        annotation_set.anomalies.append(f'turned box or polygon read as its box: {one_line(record.file_name)}: {where}')
    box = _pixels(value, shape, record)
    if any(finite_number(side) is None for side in box):
        raise UserError(f'{where}.value: not finite percents; correct it')
    return ObjectRecord(name, box, number)


def _shape(value: dict) -> list[float] | list | None:
    keys = next((keys for keys in (('x', 'y', 'width', 'height'), ('x', 'y', 'radiusX', 'radiusY')) if
                 all(finite_number(value.get(key)) is not None for key in keys)), None)  # fmt: skip
    if keys is not None:
        return [float(value[key]) for key in keys]
    points = value.get('points')
    pairs = isinstance(points, list) and all(isinstance(point, list) and len(point) == 2 for point in points)
    finite = pairs and all(finite_number(number) is not None for point in points for number in point)
    return points if finite and len(points) > 2 else None


def _pixels(value: dict, shape: list, record: ImageRecord) -> shapes.Box:
    """Percents are of width and height; a rectangle is turned in pixels about its upper left corner."""
    wide, high = record.width / PERCENT, record.height / PERCENT
    if isinstance(shape[0], list):
        return shapes.of_points([(float(x) * wide, float(y) * high) for x, y in shape])
    a, b, c, d = shape[0] * wide, shape[1] * high, shape[2] * wide, shape[3] * high
    degrees = finite_number(value.get('rotation')) or 0.0
    if 'radiusX' in value:
        return shapes.of_ellipse(a, b, c, d, math.radians(degrees))
    return shapes.of_rectangle(a, b, c, d, degrees)


def write(annotation_set: AnnotationSet) -> Written:
    """SPLIT.json, config.xml, and the images in images/SPLIT, which Label Studio serves as local files."""
    out = Written()
    check_xml_names(annotation_set, 'Label Studio')
    for split in cleaned(annotation_set, out).splits:
        tasks = [_task(number, record, split.name) for number, record in enumerate(split.records, start=1)]
        out.texts[f'{split.name}.json'] = json.dumps(tasks, ensure_ascii=False)
        out.link(split, f'images/{split.name}')
    labels = ''.join(f'\n    <Label value={quoteattr(name)}/>' for name in annotation_set.names)
    out.texts[CONFIG] = (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <RectangleLabels name="label" toName="image">{labels}\n  </RectangleLabels>\n</View>\n'
    )
    return out


def _task(number: int, record: ImageRecord, split: str) -> dict:
    results = [_result(i, item, record) for i, item in enumerate(record.objects)]
    scores = [item.score for item in record.objects if item.score is not None]
    address = f'{PREFIX}{quote(f"images/{split}/{record.file_name}")}'
    data = dict(image=address, width=record.width, height=record.height)
    task: dict[str, Any] = dict(id=number, data=data)
    if scores:
        task['predictions'] = [dict(model_version='detplug', score=min(scores), result=results)]
    else:
        task['annotations'] = [dict(result=results)]
    return task


def _result(index: int, item: ObjectRecord, record: ImageRecord) -> dict:
    x1, y1, x2, y2 = item.box
    value = dict(
        x=PERCENT * x1 / record.width,
        y=PERCENT * y1 / record.height,
        width=PERCENT * (x2 - x1) / record.width,
        height=PERCENT * (y2 - y1) / record.height,
        rotation=0,
        rectanglelabels=[item.name],
    )
    score = {} if item.score is None else dict(score=item.score)
    names = dict(id=f'b{index}', from_name='label', to_name='image', type='rectanglelabels')
    return names | dict(original_width=record.width, original_height=record.height, value=value) | score
