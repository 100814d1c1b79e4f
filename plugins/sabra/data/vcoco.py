"""V-COCO (Gupta and Malik, arXiv 1505.04474): from the official files and COCO 2014, or from what was made of them."""

from pathlib import Path

from detplug.data.prepare import Prepared
from detplug.errors import UserError

from ..relations import RelationSet
from .prepared import hold_out, prepare_splits
from .vcoco_everything import read_everything
from .vcoco_official import read_official, read_people
from .vcoco_pairs import read_vcoco_pairs

# images as published, persons as counted in the official files
OFFICIAL = {'train images': 2533, 'val images': 2867, 'test images': 4946}
PEOPLE = {'train': 3932, 'val': 4499}
SPLITS = ('train', 'val', 'test')
FOLDERS = ('images', 'train2014', 'val2014', 'images/train2014', 'images/val2014', 'coco/images/train2014')
# COCO 2014 for a split: the cut-out that V-COCO's tools make, or COCO's own file (train and val of V-COCO are COCO
# train2014, test is val2014)
COCO = ('instances_vcoco_all_2014.json', 'annotations/instances_{}2014.json', 'coco/annotations/instances_{}2014.json')


def read_vcoco(src: Path) -> Prepared:
    """annotations/{train,val,test}.json of the splits found, splits.json, and images/.

    A tenth of the training images is held out for decisions (splits.json, ours).

    For each split the first of these: vcoco_SPLIT.json with COCO's instances json; everything_SPLIT.txt (with
    vcoco_SPLIT.json beside, if it is there); instances_vcoco_SPLIT.json.

    Raises:
        UserError: no split is there, or a file is broken.
    """
    found = {split: read_split(src, split) for split in SPLITS}
    sets = {split: data for split, data in found.items() if data is not None}
    if not sets:
        raise UserError(
            f"{src}: annotations not found; give the folder of vcoco_train.json and COCO's instances json, of "
            'everything_train.txt, or of instances_vcoco_train.json'
        )
    out = prepare_splits(sets, src, FOLDERS)
    if 'train' in sets:
        out.texts['splits.json'] = hold_out(sets['train'], round(len(sets['train'].images) / 10))
    out.official = {f'{split} images': OFFICIAL[f'{split} images'] for split in sets}
    for split in SPLITS:
        if split not in sets:
            out.anomalies.append(f'split not found: {src}: {split}')
        elif (src / f'vcoco_{split}.json').is_file():
            people = read_people(src / f'vcoco_{split}.json')
            out.counts[f'{split} annotated persons'] = sum(len(each) for each in people.values())
            out.official |= {f'{split} annotated persons': PEOPLE[split]} if split in PEOPLE else {}
    return out


def read_split(src: Path, split: str) -> RelationSet | None:
    """The set of one split, None where the folder has none of its files."""
    official, text, pairs = (
        src / name for name in (f'vcoco_{split}.json', f'everything_{split}.txt', f'instances_vcoco_{split}.json')
    )
    candidates = [src / name.format('val' if split == 'test' else 'train') for name in COCO]
    coco = next((path for path in candidates if path.is_file()), None)
    if official.is_file() and coco is not None:
        return read_official(official, coco)
    if text.is_file():
        people = read_people(official) if official.is_file() else None
        counts = None if people is None else {image: len(persons) for image, persons in people.items()}
        data = read_everything(text, counts)
        if counts is None:
            data.anomalies.append(
                f'persons without an action taken as not annotated: {text}: no {official.name} beside'
            )
        return data
    if pairs.is_file():
        data = read_vcoco_pairs(pairs)
        data.anomalies.append(f'actions without an object, other persons and sizes are missing: {pairs}')
        return data
    return None
