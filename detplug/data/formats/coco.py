"""COCO json: one file, or a folder with a file for each split; exports of Roboflow (``_annotations.coco.json``) too."""

import re
from pathlib import Path

import msgspec

from detplug.data.coco_file import read_coco, read_json
from detplug.data.formats.annotation_set import ALL, AnnotationSet, Split, image_folder, images_near, split_name
from detplug.data.formats.written import Written, numbered
from detplug.data.prepare import coco_text
from detplug.data.records import ImageRecord, one_line
from detplug.errors import UserError

ROBOFLOW = '_annotations.coco.json'
NEEDED = {'images', 'annotations', 'categories'}


class _Lists(msgspec.Struct):
    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw


def find(source: Path) -> list[Path]:
    """The COCO files of ``source``: itself, those in ``annotations/``, those of split folders; [] for none."""
    if source.is_file():
        return [source] if source.suffix == '.json' and is_coco(source) else []
    for pattern in ('annotations/*.json', f'*/{ROBOFLOW}', '*.json'):
        files = [path for path in sorted(source.glob(pattern)) if is_coco(path)]
        if files:
            return files
    return []


def is_coco(path: Path) -> bool:
    """Whether the file is an object with the three lists of a COCO data set."""
    try:
        msgspec.json.decode(path.read_bytes(), type=_Lists)
    except (OSError, ValueError, RecursionError):
        return _is_odd_coco(path)
    return True


def _is_odd_coco(path: Path) -> bool:
    """Whether Python's reader, which takes NaN and other encodings, sees the three lists."""
    try:
        content = read_json(path)
    except UserError:
        return False
    return isinstance(content, dict) and content.keys() >= NEEDED


def read(source: Path, images: Path | None = None) -> AnnotationSet:
    """All splits; names in the order of the first file, then those that only later files have."""
    names: dict[str, None] = {}
    splits, anomalies = [], []
    files = find(source)
    for path in files:
        annotations, records, odd = read_coco(path)
        root = _roboflow_root(path)
        if root is not None and not any(item.name == root for record in records for item in record.objects):
            anomalies.append(f"Roboflow's root category dropped: {path}: {one_line(root)}")
            annotations.remove(root)
        names |= dict.fromkeys(annotations)
        name = split_of(path) if len(files) > 1 or path.name == ROBOFLOW else _only_split(path)
        splits.append(Split(name, records, image_folder(records, images_near(path.parent, name, images))))
        anomalies += odd
    return AnnotationSet(list(names), splits, anomalies)


def split_of(path: Path) -> str:
    """``train`` of instances_train2017.json, train.json or train/_annotations.coco.json."""
    stem = path.parent.name if path.name == ROBOFLOW else path.stem
    return split_name(re.sub(r'^instances_|_?(19|20)\d\d$', '', stem) or stem)


def _only_split(path: Path) -> str:
    name = split_of(path)
    return name if name in ('train', 'val', 'test') else ALL


def _roboflow_root(path: Path) -> str | None:
    """The category that Roboflow writes above all others and never uses: the only one with supercategory none."""
    categories = read_json(path)['categories']
    roots = [entry.get('name') for entry in categories if entry.get('supercategory') == 'none']
    others = [entry.get('supercategory') for entry in categories if entry.get('name') not in roots]
    return roots[0] if len(roots) == 1 and others and set(others) == set(roots) else None


def write(annotations: AnnotationSet) -> Written:
    """annotations/SPLIT.json, and the images in images/SPLIT."""
    out = Written()
    for split in annotations.splits:
        records = [
            ImageRecord(number, record.file_name, record.width, record.height, numbered(record.objects, split, i))
            for number, (i, record) in enumerate(_starts(split), start=1)
        ]
        out.texts[f'annotations/{split.name}.json'] = coco_text(annotations.names, records)
        out.link(split, f'images/{split.name}')
    return out


def _starts(split: Split) -> list[tuple[int, ImageRecord]]:
    """(number of the objects of the images before, record)."""
    starts, before = [], 0
    for record in split.records:
        starts.append((before, record))
        before += len(record.objects)
    return starts
