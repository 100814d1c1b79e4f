"""Annotations of a task, from the files that their publishers and public code distribute, or the project's own form."""

import re
from collections.abc import Callable
from pathlib import Path

from detplug.data.coco_file import read_json
from detplug.errors import UserError

from ..data.hico_annotations import read_annotations
from ..data.hico_mat import read_mat
from ..data.hico_names import LIST, hico_names, mark_rare, read_class_list
from ..data.hico_pairs import read_pair_lists
from ..data.relation_file import read_relations
from ..data.vcoco import read_split
from ..data.vrd import read_vrd_names, read_vrd_split
from ..relations import RelationSet
from .graph_truth import read_openimages, read_psg, read_reltr
from .vg_h5 import read_vg_h5

VCOCO_FILE = re.compile(r'(?:instances_vcoco|vcoco|everything)_(train|val|test)\.(?:json|txt)$')


def read_truth(path: Path, task: str, split: str = 'test') -> RelationSet:
    """The annotations of a split.

    Args:
        path: a file; which one, docs/relation_evaluator.md lists for each task.
        task: of :data:`.command.TASKS`.
        split: 'train' or 'test' of files that hold both (psg.json, anno_bbox.mat, VG-SGG-with-attri.h5).

    Raises:
        UserError: not a file of the task, or a broken one.
    """
    if not path.is_file():
        raise UserError(f'{path}: not a file; give the annotation file of the split, see docs/relation_evaluator.md')
    match = VCOCO_FILE.search(path.name)
    if task == 'vcoco' and match:
        return read_split(path.parent, match[1])
    if task == 'hico' and path.suffix == '.mat':
        sets = mark_rare(read_mat(path))
        if split not in sets:
            raise UserError(f'{path}: bbox_{split}: missing; give anno_bbox.mat of HICO-DET')
        return sets[split]
    if task == 'vg' and path.suffix == '.h5':
        return read_vg_h5(path, split)
    if path.suffix != '.json':
        raise UserError(f'{path}: not a json; see docs/relation_evaluator.md for the files of the task {task}')
    content = read_json(path)
    keys = set(content) if isinstance(content, dict) else set()
    if {'predicates', 'relations', 'annotations'} <= keys:
        return read_relations(path)
    if task not in FOREIGN:
        raise UserError(
            f'{path}: predicates, relations: missing; the task {task} takes the form of docs/own_relations.md'
        )
    return FOREIGN[task](path, keys, split)


def _hico(path: Path, keys: set[str], split: str) -> RelationSet:
    if 'correspondence' in keys:
        return read_pair_lists(path)
    lists = [folder / LIST for folder in (path.parent, path.parent.parent) if (folder / LIST).is_file()]
    if not lists:
        raise UserError(f'{path.parent / LIST}: not found; copy it there: {path.name} names no class')
    names = hico_names(read_class_list(lists[0]), lists[0])
    return mark_rare({split: read_annotations(path, names, path.parent)})[split]


def _vrd(path: Path, keys: set[str], split: str) -> RelationSet:
    return read_vrd_split(path, read_vrd_names(path.parent))


def _vcoco(path: Path, keys: set[str], split: str) -> RelationSet:
    raise UserError(
        f'{path}: not V-COCO; give vcoco_val.json with the COCO json beside, everything_val.txt, or the form of '
        'docs/own_relations.md'
    )


# task -> (path, keys of the json, split) -> RelationSet, of forms that are not the project's
FOREIGN: dict[str, Callable[[Path, set[str], str], RelationSet]] = {
    'hico': _hico,
    'vcoco': _vcoco,
    'vrd': _vrd,
    'vrd_predicate': _vrd,
    'psg': lambda path, keys, split: read_psg(path, split),
    'vg': lambda path, keys, split: read_reltr(path),
    'openimages': lambda path, keys, split: read_openimages(path),
}
