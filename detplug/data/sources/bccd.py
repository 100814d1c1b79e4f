"""BCCD (github.com/Shenggan/BCCD_Dataset): a VOC folder, which we keep, with splits.json and the subtypes beside it.

Facts that the download does not state, found by comparing and looking at all 364 images: the official splits hold
fields of view that overlap (28 pairs), and four images have white cells without a box.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from detplug.data.image_lists import read_image_list
from detplug.data.prepare import Prepared, check_records, count_records
from detplug.data.records import one_line
from detplug.data.voc_file import read_voc
from detplug.errors import UserError

OFFICIAL = {'images': 364, 'RBC': 4155, 'WBC': 372, 'Platelets': 361}
KNOWN = ('RBC', 'Platelets', 'neutrophil', 'lymphocyte', 'monocyte')
UNKNOWN = ('eosinophil', 'basophil')
LEAKING_VAL = (37, 193, 207, 223, 228, 230, 244, 255, 277, 409)
LEAKING_TEST = (19, 41, 161, 205, 225, 226, 227, 229, 233, 249, 253, 365, 391)
NOT_SCORED = (171, 178, 228, 327)
# open-set split: labelled training images hold no unknown cell, the other training images are used without labels
LABELLED = (
    1,
    6,
    22,
    39,
    47,
    71,
    81,
    87,
    110,
    120,
    134,
    159,
    168,
    176,
    190,
    197,
    203,
    212,
    231,
    239,
    250,
    257,
    266,
    273,
    279,
    291,
    300,
    307,
    313,
    322,
    335,
    347,
    355,
    362,
    371,
    378,
    388,
    403,
)


def read_bccd(src: Path) -> Prepared:
    """Annotations, JPEGImages, ImageSets as they are; splits.json; wbc_subtypes.csv where the download has a list."""
    paths = sorted((src / 'Annotations').glob('*.xml'))
    if not paths:
        raise UserError(f'{src / "Annotations"}: no xml file; give the folder of BCCD_Dataset that holds Annotations')
    records = [read_voc(path) for path in paths]
    folder = src / 'JPEGImages'
    out = Prepared(official=OFFICIAL, counts=count_records(records))
    out.anomalies += check_records(records, lambda record: folder / record.file_name)
    out.anomalies += [
        f'unknown label: {record.file_name}: {one_line(item.name)}'
        for record in records
        for item in record.objects
        if item.name not in OFFICIAL
    ]
    annotated = {record.file_name for record in records}
    images = sorted(folder.glob('*.jpg'))
    out.anomalies += [f'image without xml: {path}' for path in images if path.name not in annotated]
    kept = [*paths, *images, *(src / 'ImageSets' / 'Main').glob('*.txt'), *src.glob('LICENSE')]
    out.links = {path.relative_to(src).as_posix(): path for path in kept}
    out.texts['splits.json'] = json.dumps(make_splits(src / 'ImageSets' / 'Main'), indent=1)
    subtypes = _subtypes(src)
    if subtypes is None:
        out.anomalies.append(f'no white-cell subtypes: {src}: neither wbc_subtypes.csv nor labels.csv; bccd7 needs one')
    else:
        out.texts['wbc_subtypes.csv'] = subtypes
    return out


def make_splits(lists: Path) -> dict[str, list[str]]:
    """Named image lists from the official train, val and test lists and the facts above."""
    train, val, test = (read_image_list(lists / f'{name}.txt') for name in ('train', 'val', 'test'))
    return {
        'known': list(KNOWN),
        'unknown': list(UNKNOWN),
        'labelled': _with_numbers(train, LABELLED),
        'unlabelled': _without_numbers(train, LABELLED),
        'val': val,
        'test': test,
        'test_clean': _without_numbers(test, LEAKING_TEST),
        'val_clean': _without_numbers(val, LEAKING_VAL),
        'not_scored': _with_numbers([*train, *val, *test], NOT_SCORED),
    }


def _with_numbers(names: Iterable[str], numbers: Iterable[int]) -> list[str]:
    wanted = {f'BloodImage_{number:05d}' for number in numbers}
    return [name for name in names if name in wanted]


def _without_numbers(names: Iterable[str], numbers: Iterable[int]) -> list[str]:
    unwanted = {f'BloodImage_{number:05d}' for number in numbers}
    return [name for name in names if name not in unwanted]


def _subtypes(src: Path) -> str | None:
    """Our csv, or the labels.csv of the original collection (columns Image = number, Category = 'A, B') as our csv."""
    ours, theirs = src / 'wbc_subtypes.csv', src / 'labels.csv'
    if ours.is_file():
        return ours.read_text(encoding='utf-8')
    if not theirs.is_file():
        return None
    lines = ['image,subtypes']
    with open(theirs, newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            number, category = row.get('Image') or '', row.get('Category') or ''
            if not number.isdecimal():
                raise UserError(f'{theirs}: Image: {one_line(number)} is no number; needs columns Image and Category')
            lines.append(f'BloodImage_{int(number):05d},' + '|'.join(x.strip().lower() for x in category.split(',')))
    return '\n'.join(lines) + '\n'
