"""Chula-ParasiteEgg-11 (ICIP 2022): Chula-ParasiteEgg-11/{labels.json,data}, test/data, test_labels_200.json."""

import json
from pathlib import Path

from detplug.data.coco_file import read_coco
from detplug.data.prepare import Prepared
from detplug.data.sources.coco_splits import read_splits
from detplug.errors import UserError

NAMES = (
    'Ascaris lumbricoides',
    'Capillaria philippinensis',
    'Enterobius vermicularis',
    'Fasciolopsis buski',
    'Hookworm egg',
    'Hymenolepis diminuta',
    'Hymenolepis nana',
    'Opisthorchis viverrine',
    'Paragonimus spp',
    'Taenia spp. egg',
    'Trichuris trichiura',
)
OFFICIAL = {'train images': 11000, 'test images': 2200}  # 1,000 and 200 a class
VAL_FROM = 901  # ours: the publisher has no val; the last 100 of the 1,000 numbered images of each class


def read_chula_egg11(src: Path) -> Prepared:
    """annotations/{train,test}.json, the images of each, and splits.json with the lists train and val of train.json."""
    train = _first(
        src,
        ('Chula-ParasiteEgg-11/labels.json', 'Chula-ParasiteEgg-11/Chula-ParasiteEgg-11/labels.json', 'labels.json'),
    )
    test = _first(
        src, ('test_labels_200.json', 'test/test_labels_200.json', 'Chula-ParasiteEgg-11_test/test_labels_200.json')
    )
    images = _first(src, ('test/data', 'Chula-ParasiteEgg-11_test/test/data', 'Chula-ParasiteEgg-11_test/data'))
    out = read_splits(src, {'train': (train, str(Path(train).parent / 'data')), 'test': (test, images)}, NAMES)
    out.official = OFFICIAL
    names = [record.file_name for record in read_coco(src / train)[1]]
    held_out = {name for name in names if image_number(name) >= VAL_FROM}
    out.texts['splits.json'] = json.dumps(
        {
            'train': [name for name in names if name not in held_out],
            'val': [name for name in names if name in held_out],
        },
        indent=1,
    )
    return out


def image_number(name: str) -> int:
    """901 of ``Hookworm egg_0901.jpg``; 0 where the name ends otherwise."""
    digits = Path(name).stem.rpartition('_')[2]
    return int(digits) if digits.isdecimal() else 0


def _first(src: Path, candidates: tuple[str, ...]) -> str:
    for candidate in candidates:
        if (src / candidate).exists():
            return candidate
    raise UserError(
        f'{src / candidates[0]}: not found; unpack both zip files and put test_labels_200.json into one folder'
    )
