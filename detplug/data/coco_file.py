"""Reader of COCO json: any content gives records or one UserError that names the file, the field and the cure."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError


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
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f'{path}: a COCO file is an object with images, annotations and categories')
    lists = {key: _entries(content, key, path) for key in ('images', 'annotations', 'categories')}
    if not lists['images']:
        raise UserError(f'{path}: images: empty; the file lists no image')
    names = _categories(lists['categories'], path)
    images = _images(lists['images'], path)
    for i, entry in enumerate(lists['annotations']):
        where = f'{path}: annotations[{i}]'
        image_id, item = _annotation(entry, where, names)
        if masks:
            item.mask = _mask(entry, where)
        if image_id not in images:
            found = f'no image has the id {_brief(image_id)}{_other_type(image_id, images)}'
            raise UserError(f'{path}: annotations[{i}].image_id: {found}')
        images[image_id].objects.append(item)
    return list(names.values()), list(images.values()), _backslashes(lists['images']) + _repeated(images, path)


def _entries(content: dict, key: str, path) -> list[dict]:
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f'{path}: {key}: missing or not a list of objects; is this a COCO detection file?')
    return entries


def _categories(entries: list[dict], path) -> dict[Any, str]:
    """Category id -> name; the ids are unique (unique names are checked with the lists of the config)."""
    names = {}
    for i, entry in enumerate(entries):
        name, number = entry.get('name'), _identity(entry.get('id'), f'{path}: categories[{i}].id')
        if not isinstance(name, str) or not name:
            raise UserError(f'{path}: categories[{i}].name: {_brief(name)} is not a name')
        if number in names:
            raise UserError(f'{path}: categories[{i}].id: {_brief(number)} is used twice')
        names[number] = name
    return names


def _images(entries: list[dict], path) -> dict[Any, ImageRecord]:
    images = {}
    for i, entry in enumerate(entries):
        where = f'{path}: images[{i}]'
        number = _identity(entry.get('id'), f'{where}.id')
        if number in images:
            raise UserError(f'{where}.id: {_brief(number)} is used twice; image ids must be unique')
        name = entry.get('file_name')
        if not isinstance(name, str) or not name:
            raise UserError(f'{where}.file_name: {_brief(name)} is not a file name')
        width, height = (_size(entry.get(key), f'{where}.{key}') for key in ('width', 'height'))
        images[number] = ImageRecord(number, name.replace('\\', '/'), width, height)
    return images


def _annotation(entry: dict, where: str, names: dict[Any, str]) -> tuple[Any, ObjectRecord]:
    """(image id, object) of one annotation; COCO's x, y, width, height becomes xyxy."""
    image_id = _identity(entry.get('image_id'), f'{where}.image_id')
    category = _identity(entry.get('category_id'), f'{where}.category_id')
    if category not in names:
        found = f'{_brief(category)} is not in categories (ids {_some(names)}){_other_type(category, names)}'
        raise UserError(f'{where}.category_id: {found}')
    box = entry.get('bbox')
    numbers = [finite_number(x) for x in box] if isinstance(box, list) else []
    if len(numbers) != 4 or None in numbers:
        raise UserError(f'{where}.bbox: {_brief(box)} is not 4 finite numbers x, y, width, height in pixels')
    area = finite_number(entry.get('area'))
    if area is None and entry.get('area') is not None:
        raise UserError(f'{where}.area: {_brief(entry["area"])} is not a finite number of square pixels')
    flags = [entry.get(key, 0) for key in ('iscrowd', 'ignore')]
    if not all(isinstance(flag, int) for flag in flags):
        raise UserError(f'{where}.iscrowd: {_brief(flags)} is not 0 or 1')
    x, y, width, height = numbers
    key = entry.get('id', where.rpartition(': ')[2])
    return image_id, ObjectRecord(names[category], (x, y, x + width, y + height), key, area, any(flags))


def _mask(entry: dict, where: str) -> Any:
    mask = entry.get('segmentation')
    if not isinstance(mask, list | dict) or not mask:
        raise UserError(f'{where}.segmentation: {_brief(mask)} is no mask; a config with with_mask needs one of each')
    return mask


def _backslashes(entries: list[dict]) -> list[str]:
    names = (entry['file_name'] for entry in entries)
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


def _identity(value: Any, where: str) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise UserError(f'{where}: {_brief(value)} is not an id (a whole number or a text)')
    return value


def _other_type(number: int | str, ids) -> str:
    """What is to be done where the file has the id as a text in one place and as a number in the other."""
    other = next((other for other in ids if str(other) == str(number)), None)
    return '' if other is None else f', but {_brief(other)}: write ids as numbers, or as texts, in the whole file'


def _size(value: Any, where: str) -> int | None:
    if value is None:
        return None
    number = finite_number(value)
    if number is None or number < 1 or number != int(number):
        raise UserError(f'{where}: {_brief(value)} is not a whole number of pixels')
    return int(number)


def _some(values) -> str:
    values = [one_line(value, 30) for value in values]
    return ', '.join(values[:10]) + (', ...' if len(values) > 10 else '')


def _brief(value: Any) -> str:
    return one_line(repr(value), 60)
