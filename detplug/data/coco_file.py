"""Reader of COCO json: any content gives records or one UserError that names the file, the field and the cure."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from detplug.data.coco_entries import Annotation, Category, Content, Image, MaskedAnnotation, MaskedContent
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError


class FieldError(ValueError):
    """A wrong field of an entry; the text goes on after ``FILE: LIST[INDEX].``."""


def read_json(path: str | Path) -> Any:
    """Parsed content of a json file.

    Raises:
        UserError: the file is missing, unreadable or not json.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise UserError(f'{path}: not found; see data/README.md, or set data_root') from None
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f'{path}: not readable as json ({reason}); get the file again') from None


def read_coco(path: str | Path, masks: bool = False) -> tuple[list[str], list[ImageRecord], list[str]]:
    """Category names in the file's order, one record an image in the file's order, and anomalies.

    Backslashes in a file name, as Windows writes them, become slashes. An image may lack width and height.

    Args:
        masks: keep the segmentations, which every annotation must have then.

    Raises:
        UserError: missing file, broken or empty json, missing or wrong field, duplicate image id, an annotation whose
            image_id or category_id is not in the file, a box that is not 4 finite numbers.
    """
    content = _content(path, MaskedContent if masks else Content)
    if not content.images:
        raise UserError(f'{path}: images: empty; the file lists no image')
    names = _categories(content.categories, path)
    images = _images(content.images, path)
    entries = content.annotations
    for i, entry in enumerate(entries):
        entries[i] = None  # is not needed any more, and there may be a million
        try:
            image_id, item = _annotation(entry, i, names)
            if masks:
                item.mask = _mask(entry)
            if image_id not in images:
                raise FieldError(f'image_id: no image has the id {_brief(image_id)}{_other_type(image_id, images)}')
        except FieldError as error:
            raise UserError(f'{path}: annotations[{i}].{error}') from None
        images[image_id].objects.append(item)
    return list(names.values()), list(images.values()), _backslashes(content.images) + _repeated(images, path)


def _content(path: str | Path, kind: type[Content]) -> Content:
    """The file as ``kind``. What is not strictly json or lacks a list goes to Python's reader: it takes NaN, other
    encodings and lone surrogates, and says what is wrong with the rest."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError):
        content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f'{path}: a COCO file is an object with images, annotations and categories')
    for key in ('images', 'annotations', 'categories'):
        entries = content.get(key)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f'{path}: {key}: missing or not a list of objects; is this a COCO detection file?')
    return msgspec.convert(content, kind)


def _categories(entries: list[Category], path) -> dict[Any, str]:
    """Category id -> name; the ids are unique (unique names are checked with the lists of the config)."""
    names = {}
    for i, entry in enumerate(entries):
        try:
            number = _identity(entry.id, 'id')
            if not isinstance(entry.name, str) or not entry.name:
                raise FieldError(f'name: {_brief(entry.name)} is not a name')
            if number in names:
                raise FieldError(f'id: {_brief(number)} is used twice')
        except FieldError as error:
            raise UserError(f'{path}: categories[{i}].{error}') from None
        names[number] = entry.name
    return names


def _images(entries: list[Image], path) -> dict[Any, ImageRecord]:
    images = {}
    for i, entry in enumerate(entries):
        try:
            number = _identity(entry.id, 'id')
            if number in images:
                raise FieldError(f'id: {_brief(number)} is used twice; image ids must be unique')
            if not isinstance(entry.file_name, str) or not entry.file_name:
                raise FieldError(f'file_name: {_brief(entry.file_name)} is not a file name')
            width, height = _size(entry.width, 'width'), _size(entry.height, 'height')
        except FieldError as error:
            raise UserError(f'{path}: images[{i}].{error}') from None
        images[number] = ImageRecord(number, entry.file_name.replace('\\', '/'), width, height)
    return images


def _annotation(entry: Annotation, index: int, names: dict[Any, str]) -> tuple[Any, ObjectRecord]:
    """(image id, object) of one annotation; COCO's x, y, width, height becomes xyxy."""
    image_id, category = _identity(entry.image_id, 'image_id'), _identity(entry.category_id, 'category_id')
    if category not in names:
        reason = f'{_brief(category)} is not in categories (ids {_some(names)}){_other_type(category, names)}'
        raise FieldError(f'category_id: {reason}')
    numbers = [finite_number(x) for x in entry.bbox] if isinstance(entry.bbox, list) else []
    if len(numbers) != 4 or None in numbers:
        raise FieldError(f'bbox: {_brief(entry.bbox)} is not 4 finite numbers x, y, width, height in pixels')
    area = finite_number(entry.area)
    if area is None and entry.area is not None:
        raise FieldError(f'area: {_brief(entry.area)} is not a finite number of square pixels')
    crowd, ignored = _flag(entry.iscrowd, 'iscrowd'), _flag(entry.ignore, 'ignore')
    x, y, width, height = numbers
    key = f'annotations[{index}]' if entry.id is None else entry.id
    return image_id, ObjectRecord(names[category], (x, y, x + width, y + height), key, area, crowd or ignored)


def _flag(value: Any, field: str) -> bool:
    """Whether a flag is set: 1, 1.0 or true; 0, 0.0, false, null and a missing one say no."""
    if value is None:
        return False
    if not isinstance(value, (int, float)) or value not in (0, 1):
        raise FieldError(f'{field}: {_brief(value)} is not 0 or 1')
    return bool(value)


def _mask(entry: MaskedAnnotation) -> Any:
    mask = entry.segmentation
    if not isinstance(mask, list | dict) or not mask:
        raise FieldError(f'segmentation: {_brief(mask)} is no mask; a config with with_mask needs one of each')
    return mask


def _backslashes(entries: list[Image]) -> list[str]:
    names = (entry.file_name for entry in entries)
    return [f'backslash in file_name read as slash: {one_line(name)}' for name in names if '\\' in name]


def _repeated(images: dict[Any, ImageRecord], path) -> list[str]:
    files = Counter(image.file_name for image in images.values())
    keys = Counter(str(item.key) for image in images.values() for item in image.objects)
    kinds = (('file listed twice', files), ('annotation id used twice', keys))
    return [
        f'{kind}: {one_line(name)}: {times} times in {path}'
        for kind, counts in kinds
        for name, times in counts.items()
        if times > 1
    ]


def _identity(value: Any, field: str) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise FieldError(f'{field}: {_brief(value)} is not an id (a whole number or a text)')
    return value


def _other_type(number: int | str, ids) -> str:
    """What is to be done where the file has the id as a text in one place and as a number in the other."""
    other = next((other for other in ids if str(other) == str(number)), None)
    return '' if other is None else f', but {_brief(other)}: write ids as numbers, or as texts, in the whole file'


def _size(value: Any, field: str) -> int | None:
    if value is None:
        return None
    number = finite_number(value)
    if number is None or number < 1 or number != int(number):
        raise FieldError(f'{field}: {_brief(value)} is not a whole number of pixels')
    return int(number)


def _some(values) -> str:
    values = [one_line(value, 30) for value in values]
    return ', '.join(values[:10]) + (', ...' if len(values) > 10 else '')


def _brief(value: Any) -> str:
    return one_line(repr(value), 60)
