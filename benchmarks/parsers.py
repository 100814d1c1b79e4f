"""Claim: a broken COCO json or VOC xml gives a data set or the one documented error, never another exception.

300 seeded mutations of each format, of its structure or of its bytes; every data set that opens is read to its end, and
must hold labels in range and boxes inside their images. Usage: python benchmarks/parsers.py
"""

import copy
import json
import random
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from record import record

from detplug.data import CheckedCocoDataset, CheckedVocDataset
from detplug.errors import UserError

CASES, SEED = 300, 0  # mutations of each format
NAMES = ('egg', 'worm')
MANY = (1, 1, 1, 2, 3)  # changes in one case: mostly one, so that it reaches the last check
JUNK = (
    None,
    True,
    -1,
    0,
    1,
    3,
    30,
    10**400,
    1.5,
    float('nan'),
    float('inf'),
    '',
    'egg',
    '../..',
    '\x00',
    '\ud800',
    'a\nb',
    [],
    {},
    [1, 2],
    [0, 0, 0, 0],
    [9, 9, -4, 5],
    [1e308, 0, 1e308, 1],
    {'id': 1},
    2**63,
)
TEXTS = (
    '',
    'egg',
    '-3',
    '0',
    'nan',
    '1e999',
    '9' * 400,
    '&a;',
    '<b/>',
    ']]>',
    '\x00',
    '\u2028',
    'W' * 3000,
    '1',
    '7',
    '30.5',
    ' 12 ',
)
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Letterbox', scale=(64, 64)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'instances')),
]


def coco() -> dict:
    """Four images of 48 x 32 px with up to three boxes."""
    return dict(
        images=[dict(id=i, file_name=f'{i}.jpg', width=48, height=32) for i in range(4)],
        annotations=[
            dict(id=10 * i + k, image_id=i, category_id=1 + k % 2, bbox=[3 * k, 2, 9, 8], area=72, iscrowd=0)
            for i in range(4)
            for k in range(i)
        ],
        categories=[dict(id=2, name='egg'), dict(id=1, name='worm')],
    )


def voc() -> str:
    """The same as one xml."""
    boxes = ''.join(
        f'<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x}</xmin><ymin>2</ymin>'
        f'<xmax>{x + 9}</xmax><ymax>20</ymax></bndbox></object>'
        for x, name in ((1, 'egg'), (20, 'worm'))
    )
    return f'<annotation><size><width>48</width><height>32</height></size>{boxes}</annotation>'


def mutate_json(content: dict, rng: random.Random) -> bytes:
    """One to three changes of values, keys or lists; in a fifth of the cases of bytes too."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice(MANY)):
        places = list(_places(content))
        parent, key = rng.choice(places) if places else (None, None)
        if parent is None:
            break
        action = rng.choice(('value', 'value', 'delete', 'double', 'nest'))
        if action == 'value':
            parent[key] = copy.deepcopy(rng.choice(JUNK))
        elif action == 'delete':
            del parent[key]
        elif action == 'double' and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            parent[key] = [copy.deepcopy(parent[key])]
    data = json.dumps(content).encode()
    return mutate_bytes(data, rng) if rng.random() < 0.2 else data


def mutate_xml(text: str, rng: random.Random) -> bytes:
    """One to three elements removed, doubled, moved or given another text; sometimes bytes or a document type too."""
    root = ElementTree.fromstring(text)
    for _ in range(rng.choice(MANY)):
        parents = [element for element in root.iter() if len(element)]
        parent = rng.choice(parents) if parents else root
        if not len(parent):
            break
        child = rng.choice(list(parent))
        action = rng.choice(('text', 'text', 'delete', 'double', 'move', 'name'))
        if action == 'text':
            rng.choice([element for element in root.iter() if not len(element)]).text = rng.choice(TEXTS)
        elif action == 'name':
            child.tag = rng.choice(('object', 'size', 'name', 'width', 'xmin', 'other'))
        elif action == 'double':
            parent.append(copy.deepcopy(child))
        else:
            parent.remove(child)
            if action == 'move':
                rng.choice(list(root.iter())).append(child)
    text = ElementTree.tostring(root, encoding='unicode')
    if rng.random() < 0.1:
        text = '<!DOCTYPE a [<!ENTITY a "xx"><!ENTITY f SYSTEM "file:///dev/zero">]>' + text.replace('egg', '&f;&a;')
    data = text.encode(errors='surrogatepass')
    return mutate_bytes(data, rng) if rng.random() < 0.2 else data


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, a piece cut out, or the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    start = rng.randrange(len(changed) + 1)
    return bytes(
        rng.choice((changed, changed, changed[:start], changed[:start] + changed[start + rng.randint(1, 40) :]))
    )


def _places(node):
    """(container, key) of every value in a json."""
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in pairs:
        yield node, key
        yield from _places(value)


def read_all(dataset) -> None:
    """Load every image; labels are in range, boxes lie in their images."""
    for i in range(len(dataset)):
        item = dataset.get_data_info(i)
        for instance in item['instances']:
            x1, y1, x2, y2 = instance['bbox']
            assert 0 <= x1 < x2 <= item['width'] and 0 <= y1 < y2 <= item['height'], instance
            assert 0 <= instance['bbox_label'] < len(NAMES), instance
        dataset[i]


def outcome(read: Callable[[], None]) -> str:
    """'data set', 'documented error' or 'undocumented error' (printed)."""
    try:
        read()
    except UserError as error:
        if '\n' not in str(error):
            return 'documented error'
        print(f'not one line: {error!r}')
    except Exception:
        traceback.print_exc()
    else:
        return 'data set'
    return 'undocumented error'


def run(folder: Path) -> dict[str, int]:
    """Outcome -> number of cases."""
    image = np.full((32, 48, 3), 90, np.uint8)
    for place in ('img', 'JPEGImages'):
        (folder / place).mkdir()
        for name in ('0', '1', '2', '3', 'a'):
            cv2.imwrite(str(folder / place / f'{name}.jpg'), image)
    (folder / 'Annotations').mkdir()
    (folder / 'Annotations' / '0.xml').write_text(voc())  # keeps both classes named, whatever a.xml becomes
    shared = dict(data_root=str(folder), metainfo=dict(classes=NAMES), test_mode=True, pipeline=PIPELINE)
    rng, outcomes = random.Random(SEED), {}
    for case in range(2 * CASES):
        if case % 2:
            (folder / 'ann.json').write_bytes(mutate_json(coco(), rng))
            found = outcome(
                lambda: read_all(CheckedCocoDataset(ann_file='ann.json', data_prefix=dict(img='img'), **shared))
            )
        else:
            (folder / 'Annotations' / 'a.xml').write_bytes(mutate_xml(voc(), rng))
            found = outcome(lambda: read_all(CheckedVocDataset(**shared)))
        outcomes[found] = outcomes.get(found, 0) + 1
    return outcomes


if __name__ == '__main__':
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('ERROR')
    with tempfile.TemporaryDirectory() as place:
        outcomes = run(Path(place))
    record(
        'parsers',
        dict(
            cases=2 * CASES,
            undocumented_errors=outcomes.get('undocumented error', 0),
            data_sets=outcomes.get('data set', 0),
            documented_errors=outcomes.get('documented error', 0),
        ),
        seeds=[SEED],
    )
