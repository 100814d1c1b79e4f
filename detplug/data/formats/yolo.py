"""YOLO: a text file an image with ``class cx cy w h`` as shares of the image, and data.yaml with names and splits.

Exports of Roboflow are read too: ``../train/images`` in their data.yaml means ``train/images`` beside it. So are
Darknet's obj.data and its lists, CVAT's "YOLO 1.1", whose paths begin with ``data/``: that is the folder itself. A line
of an even number of coordinates from six on is a polygon, which becomes its box.
"""

from pathlib import Path
from typing import Any

import yaml

from detplug.data.formats.annotation_set import (
    ALL,
    AnnotationSet,
    Split,
    fill_missing_sizes,
    images_in,
    split_name,
)
from detplug.data.formats.written import Written, cleaned
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError

SPLITS = ('train', 'val', 'valid', 'validation', 'test')
YAML, DARKNET, CLASSES = ('data.yaml', 'data.yml', 'dataset.yaml'), 'obj.data', 'classes.txt'
NOT_SPLITS = {'names', 'nc', 'path', 'download', 'roboflow', 'kpt_shape', 'flip_idx', 'channels'}


def find(source: Path) -> Path | None:
    """The data.yaml, obj.data or classes.txt of a YOLO data set."""
    if source.is_file():
        return source if source.suffix in ('.yaml', '.yml', '.data') else None
    files = [source / name for name in (*YAML, DARKNET)] + ([source / CLASSES] if (source / 'labels').is_dir() else [])
    return next((path for path in files if path.is_file()), None)


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """All splits that data.yaml names and that are there.

    Raises:
        UserError: data.yaml without names, a split that is not there, a line that is not numbers of a class and a box.
    """
    path = find(source)
    if images is not None:
        raise UserError(f'{path}: --images: YOLO labels lie beside their images, where {path.name} says; leave it out')
    annotations = AnnotationSet([], [])
    if path.name == CLASSES:
        annotations.names = _lines(path)
        folders = {ALL: [path.parent / 'images' if (path.parent / 'images').is_dir() else path.parent]}
    elif path.suffix == '.data':
        annotations.names, folders = _darknet(path)
    else:
        annotations.names, folders = _settings(path)
    for name, paths in folders.items():
        _add_split(annotations, name, paths)
    fill_missing_sizes(annotations)
    for split in annotations.splits:
        for record in split.records:
            _to_pixels(record)
    return annotations


def _settings(path: Path) -> tuple[list[str], dict[str, list[Path]]]:
    """(names, split -> folders or lists of images) of a data.yaml."""
    try:
        content = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise UserError(f'{path}: not readable as yaml ({one_line(error)}); correct it') from None
    names = content.get('names') if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise UserError(f'{path}: names: numbers {one_line(list(names))} are not 0, 1, ...; correct them')
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f'{path}: names: missing or not a list; a YOLO data.yaml has the names of the classes')
    names = [name if isinstance(name, str) else str(name) for name in names]  # yaml reads `names: [0, yes]` as others
    count = content.get('nc')
    if count is not None and count != len(names):
        raise UserError(f'{path}: nc: {one_line(count)}, but names has {len(names)}; correct one of them')
    root = path.parent / str(content.get('path') or '.')
    if not root.is_dir():
        root = path.parent
    folders = {}
    for key, value in content.items():
        if key in NOT_SPLITS or value in (None, '', []) or not isinstance(value, str | list):
            continue
        folders[split_name(key)] = [_place(path, root, key, text) for text in
                                    (value if isinstance(value, list) else [value])]  # fmt: skip
    if not folders:
        raise UserError(f'{path}: train: missing; name the folder of the images of each split')
    return names, folders


def _darknet(path: Path) -> tuple[list[str], dict[str, list[Path]]]:
    """(names, split -> lists of images) of an obj.data; a list that is not there, or of no image, is no split."""
    pairs = [line.partition('=') for line in _lines(path)]
    settings = {key.strip(): value.strip() for key, _, value in pairs}
    if not settings.get('names'):
        raise UserError(f'{path}: names: missing; name the file of the names of the classes')
    names, folders = _lines(_place(path, path.parent, 'names', settings['names'])), {}
    if settings.get('classes', str(len(names))) != str(len(names)):
        raise UserError(f'{path}: classes: {settings["classes"]}, but names has {len(names)}; correct one of them')
    for key in SPLITS:
        file = path.parent / settings.get(key, '').removeprefix('data/')
        if key in settings and file.is_file() and _lines(file):
            folders[split_name(key)] = [file]
    if not folders:
        raise UserError(f'{path}: train: no list of images there; export it again, with its lists')
    return names, folders


def _place(path: Path, root: Path, key: str, text: Any) -> Path:
    text = str(text)
    tries = [root / text, *(path.parent / text.removeprefix(prefix) for prefix in ('', '../', 'data/'))]
    existing = next((candidate for candidate in tries if candidate.exists()), None)
    if existing is None:
        raise UserError(f'{path}: {key}: {one_line(text)}: not there; correct the path')
    return existing


def _add_split(annotations: AnnotationSet, name: str, paths: list[Path]) -> None:
    root = paths[0] if len(paths) == 1 and paths[0].is_dir() else _common(paths)
    records = []
    for path in paths:
        files = images_in(path) if path.is_dir() else _listed(path)
        for image in files:
            relative = image.relative_to(root).as_posix() if image.is_relative_to(root) else str(image)
            record = ImageRecord(relative, relative, None, None)
            label = label_of(image)
            if label.is_file():
                record.objects = _objects(label, annotations)
            else:
                annotations.anomalies.append(f'no label file, so read as without objects: {one_line(image)}')
            records.append(record)
    if records and not any(label_of(root / record.file_name).is_file() for record in records):
        raise UserError(f'{label_of(root / records[0].file_name)}: not there, nor the label of any other image of '
                        f'{name}; labels lie in labels/ where the images lie in images/')  # fmt: skip
    annotations.splits.append(Split(name, records, root))


def _common(paths: list[Path]) -> Path:
    folders = [path if path.is_dir() else path.parent for path in paths]
    parents = [folders[0], *folders[0].parents]
    return next(parent for parent in parents if all(folder.is_relative_to(parent) for folder in folders))


def _listed(path: Path) -> list[Path]:
    """Images of a text file: a path a line, relative to its folder."""
    images = [path.parent / line.removeprefix('./') for line in _lines(path)]
    beside = [path.parent / line.removeprefix('data/') for line in _lines(path)]  # Darknet's, of CVAT
    return [other if other.is_file() else image for image, other in zip(images, beside, strict=True)]


def label_of(image: Path) -> Path:
    """The label file of an image: the last folder ``images`` of its path becomes ``labels``, the suffix .txt."""
    parts = list(image.parts)
    where = [i for i, part in enumerate(parts[:-1]) if part == 'images']
    if where:
        parts[where[-1]] = 'labels'
    return Path(*parts).with_suffix('.txt')


def _objects(label: Path, annotations: AnnotationSet) -> list[ObjectRecord]:
    """The lines of a label file; boxes are shares of the image until its size is known."""
    objects = []
    for number, line in enumerate(_text(label).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        where = f'{label}: line {number}'
        try:
            values = [finite_number(float(word)) for word in words]
        except ValueError:
            values = [None]
        if None in values or len(values) < 5:
            raise UserError(f'{where}: {one_line(line)} is not a class number and a box; correct it')
        index, rest = values[0], values[1:]
        if index != int(index) or not 0 <= index < len(annotations.names):
            raise UserError(f'{where}: class {words[0]}: data.yaml has the classes 0 to {len(annotations.names) - 1}')
        if len(rest) == 5:
            annotations.anomalies.append(f'confidence of a label dropped: {label}: line {number}')
        objects.append(ObjectRecord(annotations.names[int(index)], _box(rest, where, annotations, label), number))
    return objects


def _box(values: list[float], where: str, annotations: AnnotationSet, label: Path) -> tuple[float, float, float, float]:
    if len(values) in (4, 5):
        x, y, width, height = values[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) % 2:
        raise UserError(f'{where}: {len(values)} coordinates are neither a box nor a polygon; correct it')
    annotations.anomalies.append(f'polygon read as its box: {label}: {where.rpartition(": ")[2]}')
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _to_pixels(record: ImageRecord) -> None:
    size = (record.width, record.height) * 2
    for item in record.objects:
        item.box = tuple(share * side for share, side in zip(item.box, size, strict=True))


def _lines(path: Path) -> list[str]:
    """Without those that are empty."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: not readable as text ({one_line(error)}); get the file again') from None


def write(annotations: AnnotationSet) -> Written:
    """data.yaml, labels/SPLIT and images/SPLIT; an image without objects has an empty label file.

    Raises:
        UserError: two images whose labels would be one file.
    """
    out = Written()
    number = {name: i for i, name in enumerate(annotations.names)}
    for split in cleaned(annotations, out).splits:
        labels: dict[str, str] = {}
        for record in split.records:
            name = label_of(Path('images', split.name, record.file_name)).as_posix()
            if name in labels:
                raise UserError(
                    f'{labels[name]} and {one_line(record.file_name)}: would have one label file in YOLO; rename one'
                )
            labels[name] = record.file_name
            lines = [_line(number[item.name], item.box, record) for item in record.objects]
            out.texts[name] = ''.join(lines)
        out.link(split, f'images/{split.name}')
    splits = {split.name: f'images/{split.name}' for split in annotations.splits}
    out.texts['data.yaml'] = yaml.safe_dump(
        dict(path='.', **splits, nc=len(annotations.names), names=annotations.names),
        allow_unicode=True,
        sort_keys=False,
    )
    return out


def _line(label: int, box: tuple[float, ...], record: ImageRecord) -> str:
    x1, y1, x2, y2 = box
    shares = ((x1 + x2) / 2 / record.width, (y1 + y2) / 2 / record.height,
              (x2 - x1) / record.width, (y2 - y1) / record.height)  # fmt: skip
    return f'{label} {" ".join(f"{share:.9g}" for share in shares)}\n'
