"""Reader of Pascal VOC xml: any content gives a record or one UserError that names the file, the field and the cure.

Entities and document types are refused (an entity can expand to gigabytes or read another file).
"""

import math
from pathlib import Path, PureWindowsPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree

from detplug.data.records import ImageRecord, ObjectRecord, one_line
from detplug.errors import UserError


def read_voc(path: str | Path, image_suffix: str | None = None, images: str | Path | None = None) -> ImageRecord:
    """The record of one xml; its image id is the file's stem.

    Its image is ``STEM + image_suffix``; without ``image_suffix`` the suffix is that of ``<filename>`` (.jpg where it
    has none), and where no such file lies in the folder ``images``, the file is the one that ``<filename>`` names.

    VOC counts pixels from 1 and includes the last one: (xmin - 1, ymin - 1, xmax, ymax) are the edges. A box whose
    numbers span nothing (xmax <= xmin) becomes a box without area, which ``clean_boxes`` drops and lists.
    ``difficult`` makes an ignore region.

    Raises:
        UserError: missing file, broken xml, entities, no or wrong size, an object without name or finite box.
    """
    root = _root(path)
    size = root.find('size')
    if size is None:
        raise UserError(f'{path}: size: missing; add <size><width>..</width><height>..</height></size>')
    width, height = (_pixels(size, key, path) for key in ('width', 'height'))
    stem = Path(path).stem
    objects = [_object(item, i, path) for i, item in enumerate(root.findall('object'))]
    return ImageRecord(stem, _image_name(root, stem, image_suffix, images), width, height, objects)


def _root(path: str | Path) -> Element:
    try:  # what defusedxml refuses is a ValueError
        root = ElementTree.parse(str(path), forbid_dtd=True).getroot()
    except FileNotFoundError:
        raise UserError(f'{path}: not found; every listed image needs its xml') from None
    except (OSError, ParseError, ValueError, LookupError, RecursionError) as error:
        reason = one_line(str(error) or type(error).__name__)
        raise UserError(f'{path}: not readable as xml ({reason}); get the file again') from None
    if root.tag != 'annotation':
        raise UserError(f'{path}: {one_line(root.tag)}: the root of a VOC file is <annotation>')
    return root


def _image_name(root: Element, stem: str, suffix: str | None, images: str | Path | None) -> str:
    """The image file of an xml; STEM is first, since ``<filename>`` often stays when a pair of files is renamed."""
    if suffix is not None:
        return stem + suffix
    named = PureWindowsPath((root.findtext('filename') or '').strip()).name  # its separators are \\ and / alike
    name = stem + (PureWindowsPath(named).suffix or '.jpg')
    stale = images is None or named in ('', name) or (Path(images) / name).exists()
    return name if stale or not (Path(images) / named).exists() else named


def _object(item: Element, index: int, path) -> ObjectRecord:
    where = f'{path}: object[{index}]'
    name = (item.findtext('name') or '').strip()
    if not name:
        raise UserError(f'{where}.name: missing or empty')
    box = item.find('bndbox')
    if box is None:
        raise UserError(f'{where}.bndbox: missing')
    x1, y1, x2, y2 = (_number(box.findtext(key), f'{where}.bndbox.{key}') for key in ('xmin', 'ymin', 'xmax', 'ymax'))
    difficult = (item.findtext('difficult') or '0').strip()
    if difficult not in ('0', '1'):
        raise UserError(f'{where}.difficult: {one_line(difficult)} is not 0 or 1')
    left, top = (x1 - 1 if x2 > x1 else x2), (y1 - 1 if y2 > y1 else y2)
    return ObjectRecord(name, (left, top, x2, y2), index, ignored=difficult == '1')


def _pixels(size: Element, key: str, path) -> int:
    number = _number(size.findtext(key), f'{path}: size.{key}')
    if number < 1 or number != int(number):
        raise UserError(f'{path}: size.{key}: {number:g} is not a whole number of pixels; write the size of the image')
    return int(number)


def _number(text: str | None, where: str) -> float:
    try:
        number = float(text or '')
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e9:
        raise UserError(f'{where}: {one_line(text)} is not a finite number of pixels')
    return number
