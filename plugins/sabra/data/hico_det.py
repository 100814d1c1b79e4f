"""HICO-DET (Chao et al., WACV 2018), in any of the three forms it is passed on in; one image-level file beside."""

from pathlib import Path

from detplug.data.prepare import Prepared
from detplug.errors import UserError

from ..relations import RelationNames, RelationSet
from .hico_annotations import FILES as ANNOTATIONS
from .hico_annotations import read_annotations
from .hico_mat import FILE as MAT
from .hico_mat import class_list, load_mat, read_mat
from .hico_names import LIST, hico_names, mark_rare, read_class_list
from .hico_pairs import FILES as PAIRS
from .hico_pairs import read_pair_lists
from .prepared import hold_out, prepare_splits

IMAGE_LEVEL = 'anno.mat'  # HICO's labels of whole images, for the known-object setting
HELD_OUT = 2000  # images of train to choose checkpoints by: HICO-DET has no official val
FOLDERS = ('images/train2015', 'images/test2015', 'train2015', 'test2015', 'images')
# of the publisher; relations of the training split are not stated by all alike
OFFICIAL = {
    'train images': 38118,
    'test images': 9658,
    'test relations': 33405,
    'object classes': 80,
    'verbs': 117,
    'classes': 600,
    'rare classes': 138,
}


def read_hico_det(src: Path) -> Prepared:
    """annotations/{train,test}.json, splits.json, images/, and anno.mat where the download has it.

    2,000 of the training images (a tenth where there are fewer than 20,000) are held out for decisions (splits.json,
    ours), so that nothing is chosen on the test set.

    The first form found is read: anno_bbox.mat, instances_*2015.json, *_hico.json. Equal boxes (class and all four
    numbers) in one image become one object, since pairs repeat the person and the object for every relation.

    Raises:
        UserError: none of the three is there, or one is broken.
    """
    sets = mark_rare(_read(src))
    out = prepare_splits(sets, src, FOLDERS)
    if 'train' in sets:
        count = len(sets['train'].images)
        out.texts['splits.json'] = hold_out(sets['train'], min(HELD_OUT, round(count / 10)))
    out.official = {name: stated for name, stated in OFFICIAL.items() if _can_count(name, sets)}
    out.anomalies += [f'split not found: {src}: {split}' for split in ('train', 'test') if split not in sets]
    names = next(iter(sets.values())).names
    out.counts |= {'object classes': len(names.objects), 'verbs': len(names.predicates), 'classes': len(names.triplets)}
    if names.rare is not None:
        out.counts['rare classes'] = int(names.rare.sum())
    if (src / IMAGE_LEVEL).is_file():
        out.links[IMAGE_LEVEL] = src / IMAGE_LEVEL
    return out


def _read(src: Path) -> dict[str, RelationSet]:
    if (src / MAT).is_file():
        return read_mat(src / MAT)
    files = {split: src / name for split, name in PAIRS.items() if (src / name).is_file()}
    if files:
        return {split: read_pair_lists(path) for split, path in files.items()}
    candidates = {split: (src / name, src / 'annotations' / name) for split, name in ANNOTATIONS.items()}
    files = {split: path for split, paths in candidates.items() for path in paths if path.is_file()}
    if not files:
        raise UserError(
            f'{src}: annotations not found; give the folder of {MAT}, of {PAIRS["test"]} or of '
            f'annotations/{ANNOTATIONS["test"]}'
        )
    names, year = _names(src), '2015'
    return {split: read_annotations(path, names, _pictures(src, split + year)) for split, path in files.items()}


def _names(src: Path) -> RelationNames:
    """Names of the classes for the form that has none."""
    if (src / LIST).is_file():
        return hico_names(read_class_list(src / LIST), src / LIST)
    if (src / IMAGE_LEVEL).is_file():
        path = src / IMAGE_LEVEL
        return hico_names(class_list(load_mat(path, ['list_action']), path), path)
    raise UserError(f'{src / LIST}: not found; put it, or {IMAGE_LEVEL}, there: {ANNOTATIONS["test"]} names no class')


def _pictures(src: Path, name: str) -> Path:
    candidates = (src / 'images' / name, src / name, src / 'images')
    return next((path for path in candidates if path.is_dir()), candidates[0])


def _can_count(name: str, sets: dict[str, RelationSet]) -> bool:
    """A figure of a split is compared only where the split is there; rare classes where somebody counted them."""
    if name == 'rare classes':
        return all(data.names.rare is not None for data in sets.values())
    split = name.split()[0]
    return split in sets or split not in ('train', 'test')
