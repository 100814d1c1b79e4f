"""Relations from two plain tables (CSV), for whoever has no COCO json.

boxes: ``image,width,height,object,class,x1,y1,x2,y2`` (xyxy in px); ``object`` is any text that names the object
within its image; a row with an empty ``object`` declares an image only. relations: ``image,subject,predicate,object``;
an empty ``object`` says that it is not in the picture.
"""

from pathlib import Path

from detplug.data.records import finite_number, one_line
from detplug.errors import UserError

from ..relations import NO_OBJECT, RelationNames, RelationSet, relation_image
from .anomalies import list_anomalies
from .csv_lines import csv_lines

BOXES = ('image', 'width', 'height', 'object', 'class', 'x1', 'y1', 'x2', 'y2')
RELATIONS = ('image', 'subject', 'predicate', 'object')

Rows = list[tuple[str, dict[str, str]]]  # where a row stands, for messages; its fields


def read_tables(boxes: str | Path, relations: str | Path) -> RelationSet:
    """The set of two tables; images in the order of ``boxes``, numbered from 1; classes and predicates sorted.

    Raises:
        UserError: a missing file or column, a field that is not what it should be, an unknown image or object.
    """
    box_rows, relation_rows = _read(boxes, BOXES), _read(relations, RELATIONS)
    classes = sorted({row['class'] for _, row in box_rows if row['object']})
    predicates = sorted({row['predicate'] for _, row in relation_rows})
    for path, field, names in ((boxes, 'class', classes), (relations, 'predicate', predicates)):
        if not names or not names[0]:
            raise UserError(f'{path}: {field}: empty in {"a row" if names else "the whole table"}; name it')
    sizes: dict[str, tuple[int, int]] = {}
    objects: dict[str, dict[str, tuple[tuple[float, ...], int]]] = {}
    for where, row in box_rows:
        size = (_pixels(row, 'width', where), _pixels(row, 'height', where))
        if sizes.setdefault(row['image'], size) != size:
            raise UserError(f'{where}: width, height: {size}, but {sizes[row["image"]]} above for the same image')
        listed = objects.setdefault(row['image'], {})
        if row['object'] in listed:
            raise UserError(f'{where}: object: {one_line(row["object"])} is in this image twice; name each object anew')
        if row['object']:
            listed[row['object']] = _box(row, where), classes.index(row['class'])
    pairs = {name: [] for name in objects}
    for where, row in relation_rows:
        pairs_of = pairs.get(row['image'])
        if pairs_of is None:
            raise UserError(f'{where}: image: {one_line(row["image"])} is not in {boxes}; add a row for it there')
        pairs_of.append(_relation(row, list(objects[row['image']]), predicates, where))
    data = RelationSet(RelationNames(tuple(classes), tuple(predicates)), [])
    for i, (name, listed) in enumerate(objects.items(), 1):
        corners, labels = [box for box, _ in listed.values()], [label for _, label in listed.values()]
        data.images.append(relation_image(i, name, sizes[name], corners, labels, pairs[name]))
    data.anomalies += list_anomalies(data, [list(listed) for listed in objects.values()])
    return data


def _read(path: str | Path, columns: tuple[str, ...]) -> Rows:
    """Rows of a table that has exactly these columns, in any order."""
    rows = []
    for line, row in csv_lines(path, columns, 'table'):
        if None in row or None in row.values():
            raise UserError(f'{path}: line {line}: not {len(columns)} fields; quote a field that has a comma')
        rows.append((f'{path}: line {line}', {key: value.strip() for key, value in row.items()}))
        if not rows[-1][1]['image']:
            raise UserError(f'{path}: line {line}: image: empty; give the file name of the picture')
    if not rows and columns is BOXES:
        raise UserError(f'{path}: no rows; a table of boxes lists at least one image')
    return rows


def _relation(row: dict[str, str], objects: list[str], predicates: list[str], where: str) -> tuple[int, int, int]:
    for key in ('subject', 'object'):
        if row[key] not in objects and (row[key] or key == 'subject'):
            shown = one_line(row[key]) or 'empty'
            raise UserError(f'{where}: {key}: {shown} is no object of image {one_line(row["image"])}; add its box')
    thing = objects.index(row['object']) if row['object'] else NO_OBJECT
    return objects.index(row['subject']), thing, predicates.index(row['predicate'])


def _box(row: dict[str, str], where: str) -> tuple[float, ...]:
    return tuple(_number(row, key, where) for key in ('x1', 'y1', 'x2', 'y2'))


def _pixels(row: dict[str, str], key: str, where: str) -> int:
    number = _number(row, key, where)
    if number < 1 or number != int(number):
        raise UserError(f'{where}: {key}: {one_line(row[key])} is not a whole number of pixels')
    return int(number)


def _number(row: dict[str, str], key: str, where: str) -> float:
    try:
        number = finite_number(float(row[key]))
    except ValueError:
        number = None
    if number is None:
        raise UserError(f'{where}: {key}: {one_line(row[key]) or "empty"} is not a finite number of pixels')
    return number
