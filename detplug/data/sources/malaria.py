"""IML malaria life cycle (arXiv 2102.08708): annotations.json, a list of images with boxes, and IML_Malaria/*.JPG.

The publisher has no splits. Ours go by blocks of 15 consecutive file names (neighbouring fields of view overlap);
blocks 4, 9, 14 and 19 are in no split.
"""

import json
from pathlib import Path

from detplug.data.coco_file import read_json
from detplug.data.prepare import Prepared, check_records, coco_text, count_records
from detplug.data.records import ImageRecord, ObjectRecord, finite_number, one_line
from detplug.errors import UserError

NAMES = ('red blood cell', 'ring', 'trophozoite', 'schizont', 'gametocyte', 'difficult')
OFFICIAL = {'images': 345}
# counted in the images of our splits; the ids of known_label_errors in the config rely on them
IN_SPLITS = {
    'split images': 285,
    'split red blood cell': 31017,
    'split ring': 136,
    'split trophozoite': 62,
    'split schizont': 24,
    'split gametocyte': 213,
    'split difficult': 17,
}
BLOCK = 15  # images
VAL, TEST, LEFT_OUT = (5, 11, 18), (3, 8, 13, 17, 21), (4, 9, 14, 19)
NOT_USED = (171780, 171810, 171869, 171959)  # single images in no split, numbers of PAnnnnnn.jpg
# open-set split: labelled training images hold no unknown parasite, the others are used without labels
LABELLED = (
    171690,
    171695,
    171701,
    171705,
    171711,
    171715,
    171719,
    171723,
    171727,
    171731,
    171784,
    171789,
    171794,
    171799,
    171805,
    171809,
    171844,
    171852,
    171873,
    171877,
    171883,
    171917,
    171923,
    171928,
    171936,
    171943,
    171997,
    172024,
    172032,
)
SIZE = (1280, 960)  # px of every image


def read_malaria(src: Path) -> Prepared:
    """annotations.json (COCO), splits.json, images/*.jpg; boxes in px of the download's 1280x960 images."""
    folder = next((path for path in (src / 'IML_Malaria', src) if any(path.glob('*.[jJ][pP][gG]'))), None)
    if folder is None:
        raise UserError(f'{src / "IML_Malaria"}: no jpg; give the folder that holds IML_Malaria and annotations.json')
    file = next((path for path in (src / 'annotations.json', folder / 'annotations.json') if path.is_file()), None)
    if file is None:
        raise UserError(f'{src / "annotations.json"}: not found; give the folder of the repository')
    pictures = {path.stem.upper() + '.jpg': path for path in folder.glob('*.[jJ][pP][gG]')}
    records, anomalies = read_annotations(file)
    blocks = {record.file_name: at // BLOCK for at, record in enumerate(sorted(records, key=lambda r: r.file_name))}
    ordered = sorted(records, key=lambda r: (blocks[r.file_name] in LEFT_OUT, r.file_name))
    _number(ordered)
    split = [record for record in ordered if blocks[record.file_name] not in LEFT_OUT]
    out = Prepared(official=OFFICIAL | IN_SPLITS, counts=count_records(ordered) | count_records(split, 'split '))
    out.anomalies += anomalies + check_records(ordered, lambda r: pictures.get(r.file_name, folder / r.file_name))
    annotated = {record.file_name for record in ordered}
    out.anomalies += [
        f'image without annotation: {pictures[name]}' for name in sorted(pictures) if name not in annotated
    ]
    out.texts['annotations.json'] = coco_text(list(NAMES), ordered)
    out.texts['splits.json'] = json.dumps(_splits(ordered, blocks), indent=1)
    out.links = {f'images/{name}': path for name, path in pictures.items()}
    return out


def read_annotations(file: Path) -> tuple[list[ImageRecord], list[str]]:
    """Records of the publisher's json, ids and keys still 0; an object of another type is listed and left out.

    Raises:
        UserError: not that json.
    """
    content, records, anomalies = read_json(file), {}, []
    if not isinstance(content, list) or not content:
        raise UserError(f'{file}: not a list of images with image_name and objects')
    for i, entry in enumerate(content):
        name = entry.get('image_name') if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(entry.get('objects'), list):
            raise UserError(f'{file}: entry {i}: needs image_name and objects')
        name = Path(name).stem.upper() + '.jpg'
        if name in records:
            anomalies.append(f'image listed twice: {one_line(name)}: the second list of boxes is added to the first')
        record = records.setdefault(name, ImageRecord(0, name, *SIZE))
        for k, item in enumerate(entry['objects']):
            box = _box(item, f'{file}: {one_line(name)}: object {k}')
            if item.get('type') in NAMES:
                record.objects.append(ObjectRecord(item['type'], box, k))
            else:
                anomalies.append(f'unknown label: {one_line(name)}: object {k}: {one_line(item.get("type"))}, left out')
    return list(records.values()), anomalies


def _box(item, where: str) -> tuple[float, float, float, float]:
    """xyxy px of ``{"x": "305", "y": "169", "h": "78", "w": "81"}``."""
    box = item.get('bbox') if isinstance(item, dict) else None
    try:
        x, y, w, h = (finite_number(float(box[key])) for key in 'xywh')
        return x, y, x + w, y + h
    except (TypeError, KeyError, ValueError):
        raise UserError(f'{where}.bbox: {one_line(box)} is not x, y, h, w in pixels') from None


def _number(records: list[ImageRecord]) -> None:
    """Image and annotation ids from 1, in order."""
    following = 1
    for i, record in enumerate(records):
        record.img_id = i + 1
        for item in record.objects:
            item.key, following = following, following + 1


def _splits(records: list[ImageRecord], blocks: dict[str, int]) -> dict[str, list[str]]:
    not_used, labelled = ({f'pa{number}.jpg' for number in numbers} for numbers in (NOT_USED, LABELLED))
    lists = {'labelled': [], 'unlabelled': [], 'val': [], 'test': []}
    for name in (record.file_name for record in records):
        block = blocks[name]
        if block in LEFT_OUT or name.lower() in not_used:
            continue
        train = 'labelled' if name.lower() in labelled else 'unlabelled'
        lists['val' if block in VAL else 'test' if block in TEST else train].append(name)
    return {
        'known': ['red blood cell', 'ring', 'gametocyte'],
        'unknown': ['trophozoite', 'schizont'],
        'ignore': ['difficult'],
        **lists,
    }
