"""Which images of a data set make a split: a text file of names, or a json of named lists."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from detplug.data.coco_file import read_json
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError


def read_image_list(path: str | Path, key: str | Sequence[str] | None = None) -> list[str]:
    """Names of a split, in the file's order.

    Args:
        path: a text file with one name a line, or (``.json``) an object of named lists, or one list.
        key: name of the list in a json object; several names give their union.

    Raises:
        UserError: missing or broken file, no such key, not a list of texts, or a name listed twice.
    """
    if str(path).endswith('.json'):
        names = _from_json(path, key)
    elif key is not None:
        raise UserError(f'{path}: images_key: {key!r}: a text file has no named lists; give a json file, or no key')
    else:
        names = _from_text(path)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise UserError(f'{path}: {key or "names"}: listed twice: {one_line(", ".join(twice))}')
    return names


def select_images(records: list[ImageRecord], names: Sequence[str], source: str) -> list[ImageRecord]:
    """The records of ``names`` in their order.

    A name is the image's file name (``a/1.jpg``), or that without suffix (``a/1``), or without folders too (``1``).

    Raises:
        UserError: no name, a name that no image has, or one that several have.
    """
    if not names:
        raise UserError(f'{source}: lists no image')
    by_name = _records_by_name(records)
    wanted = [_posix(name) for name in names]
    missing = [name for name in wanted if name not in by_name]
    if missing:
        shown = one_line(', '.join(missing[:5]))
        raise UserError(f'{source}: {len(missing)} of {len(names)} names are no image of the data set: {shown}')
    for name in wanted:
        if len(by_name[name]) > 1:
            raise UserError(f'{source}: {_several(name, by_name[name])}')
    selected = [by_name[name][0] for name in wanted]
    first_name = {}
    for name, record in zip(names, selected, strict=True):
        if first_name.setdefault(id(record), name) is not name:
            other = one_line(first_name[id(record)])
            raise UserError(f'{source}: {other} and {one_line(name)} are one image, {one_line(record.file_name)}')
    return selected


def list_name(default: str, key: str | Sequence[str] | None) -> str:
    """What messages call the list ``key``, or the union of several; ``default`` where it has no key."""
    return key if isinstance(key, str) else ' + '.join(key or (default,))


def _records_by_name(records: list[ImageRecord]) -> dict[str, list[ImageRecord]]:
    """Every name of an image -> its records; the whole file name of one hides the shorter names of others."""
    whole, short = {}, {}
    for record in records:
        path = PurePosixPath(_posix(record.file_name))
        whole.setdefault(str(path), []).append(record)
        for name in {path.stem, str(path.parent / path.stem)}:
            short.setdefault(name, []).append(record)
    return short | whole


def _posix(name: str) -> str:
    """A file name with the separators of this machine, as lists made on Windows do not have them."""
    return str(PurePosixPath(name.replace('\\', '/')))


def _several(name: str, records: list[ImageRecord]) -> str:
    files = list(dict.fromkeys(one_line(record.file_name) for record in records))
    if len(files) > 1:
        return f'name {one_line(name)} is {len(files)} images, {" and ".join(files[:3])}; write the file name'
    ids = ' and '.join(one_line(record.img_id) for record in records[:3])
    return f'name {one_line(name)} is listed {len(records)} times in the annotations (ids {ids}); give each file one id'


def _from_json(path, key) -> list[str]:
    content = read_json(path)
    if key is None:
        lists = [content]
    else:
        keys = [key] if isinstance(key, str) else list(key)
        known = list(content) if isinstance(content, dict) else []
        absent = [name for name in keys if name not in known]
        if absent:
            raise UserError(f'{path}: images_key: no list {absent[0]!r}; it has {one_line(", ".join(known)) or "none"}')
        lists = [content[name] for name in keys]
    for names in lists:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f'{path}: {key or "names"}: not a list of image names; name one with images_key')
    return [name for names in lists for name in names]


def _from_text(path) -> list[str]:
    try:
        lines = Path(path).read_text(encoding='utf-8').splitlines()
    except FileNotFoundError:
        raise UserError(f'{path}: not found; see data/README.md, or set data_root') from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: not readable as text ({one_line(error)})') from None
    return [line.strip() for line in lines if line.strip()]
