"""Relation sets of a download become files of our layout: annotations/SPLIT.json, images/, counts and anomalies."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from detplug.data.prepare import Prepared, check_image, inside
from detplug.data.records import one_line

from ..relations import RelationImage, RelationSet
from .anomalies import list_anomalies
from .counts import count_set
from .relation_file import write_relations

PREFIXES = ('', 'COCO_train2014_', 'COCO_val2014_')  # COCO's pictures keep or lose theirs


def prepare_splits(sets: Mapping[str, RelationSet], src: Path, folders: Sequence[str]) -> Prepared:
    """Texts, links, counts and anomalies of the splits.

    Args:
        sets: split -> what was read; its anomalies are those of the download's format, the others are found here.
        src: the download.
        folders: where pictures may lie, relative to ``src``. Without any picture the annotations alone are written,
            enough for all that needs no pixels.
    """
    out, found = Prepared(), [src / folder for folder in folders if (src / folder).is_dir()]
    for split, data in sets.items():
        out.texts[f'annotations/{split}.json'] = write_relations(data)
        out.counts |= count_set(data, f'{split} ')
        out.anomalies += data.anomalies
        out.anomalies += list_anomalies(data)
        for image in data.images if found else ():
            out.anomalies += _link(out, image, find_picture(found, image.file_name))
    if not found:
        out.anomalies.append(f'no pictures: {one_line(src)}: none of {", ".join(folders)}; annotations only')
    return out


def hold_out(data: RelationSet, count: int) -> str:
    """Json of a fixed choice of images to make decisions on: lists ``train`` and ``held_out`` (``count`` of them).

    An image's place in the choice is the hash of its name: it depends on nothing else.
    """
    names = [image.file_name for image in data.images]
    chosen = set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])
    lists = dict(train=[x for x in names if x not in chosen], held_out=[x for x in names if x in chosen])
    return json.dumps(lists, indent=0)


def find_picture(folders: Sequence[Path], name: str) -> Path:
    """The picture, under its name with or without COCO's prefix; where it would be if there is none."""
    bare = name.removeprefix(PREFIXES[1]).removeprefix(PREFIXES[2])
    candidates = [folder / each for folder in folders for each in (name, *(prefix + bare for prefix in PREFIXES))]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _link(out: Prepared, image: RelationImage, path: Path) -> list[str]:
    if path.is_file():
        out.links[inside('images', image.file_name)] = path
    return check_image(image, path)
