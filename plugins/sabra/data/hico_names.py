"""HICO-DET's 600 classes, (object, verb) pairs in the official order; its 80 objects and 117 verbs are sorted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detplug.data.image_lists import read_image_list
from detplug.data.records import one_line
from detplug.errors import UserError

from ..relations import RelationNames, RelationSet
from .counts import count_triplets

PERSON = 'person'
RARE_BELOW = 10  # training pairs
LIST = 'hico_list_hoi.txt'


def hico_names(pairs: Sequence[tuple[str, str]], source: Any) -> RelationNames:
    """Names from the (object, verb) of each class; the official lists of objects and verbs are the sorted ones.

    Raises:
        UserError: a class listed twice, or no person among the objects.
    """
    if not pairs or not all(isinstance(word, str) and word for pair in pairs for word in pair):
        raise UserError(f'{source}: list of classes: not pairs of an object and a verb; get the file again')
    objects, verbs = (tuple(sorted(set(words))) for words in zip(*pairs, strict=True))
    if PERSON not in objects or len(set(pairs)) < len(pairs):
        raise UserError(f'{source}: list of classes: not HICO-DET (no person, or a class twice); get the file again')
    rows = [(objects.index(thing), verbs.index(verb)) for thing, verb in pairs]
    return RelationNames(objects, verbs, np.array(rows, np.int64))


def read_class_list(path: Path) -> list[tuple[str, str]]:
    """(object, verb) of each line ``NUMBER OBJECT VERB`` of hico_list_hoi.txt.

    Raises:
        UserError: missing file, or numbers that do not count from 1.
    """
    rows = [line.split() for line in read_image_list(path)]
    rows = [row for row in rows if row[0].isdecimal()]
    if not rows or any(len(row) != 3 or int(row[0]) != i for i, row in enumerate(rows, 1)):
        raise UserError(f'{one_line(path)}: lines: not NUMBER OBJECT VERB from 1 on; get the official list again')
    return [(thing, verb) for _, thing, verb in rows]


def mark_rare(sets: dict[str, RelationSet]) -> dict[str, RelationSet]:
    """The sets with rare classes: those the file names, else classes with fewer than 10 pairs in the split ``train``.

    Without either nobody knows which are rare: ``rare`` stays None, with a line in the anomalies.
    """
    for data in sets.values():
        if data.names.rare is not None:
            continue
        if 'train' in sets:
            data.names = replace(data.names, rare=count_triplets(sets['train']) < RARE_BELOW)
        else:
            data.anomalies.append('rare classes not known: names.rare: they are counted in the training annotations')
    return sets
