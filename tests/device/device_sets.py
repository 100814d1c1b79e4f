"""Any config of the project on a tiny set of its own names: 64 px images, narrow layers, a few steps.

What a config says of model, pipeline, hooks and evaluation stays; where its data is, how large and how long changes.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from scipy.io import savemat

SIDE, IMAGES, BATCH = 64, 12, 4
BOXES = ('CheckedCocoDataset', 'CheckedVocDataset')
CORNERS = ((2, 3), (36, 4), (3, 36), (35, 37))  # px, of 24 px squares


def on_tiny_set(config: Config, folder: Path) -> Config:
    """A copy of ``config`` whose data sets are in ``folder``, written here, and whose images have ``SIDE`` px."""
    tree = json.loads(json.dumps(config.to_dict()))
    written = {}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for leaf in _leaves(tree[loader]['dataset']):
            names = json.dumps([leaf.get(x) for x in ('metainfo', 'unknown_classes', 'ignore_classes')])
            if names not in written:
                written[names] = folder / f'set_{len(written)}'
                _write_set(written[names], leaf)
            _point(leaf, written[names])
        tree[loader].update(batch_size=BATCH, num_workers=0)
        tree[loader].pop('persistent_workers', None)
        tree[loader] = _small_pictures(tree[loader], folder)
    options = tree['test_evaluator'].get('options') or {}
    if 'known_labels' in options:
        options['known_labels'] = str(folder / 'set_0' / 'anno.mat')
    tree['model'] = _narrow(tree['model'])
    tree['load_from'] = None
    return Config(tree)


def _leaves(dataset: dict) -> list[dict]:
    """The data sets that read files, however they are wrapped."""
    parts = [dataset[key] for key in ('dataset', 'labelled', 'unlabelled') if key in dataset]
    parts += dataset.get('datasets', [])
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [dataset]


def _point(leaf: dict, folder: Path) -> None:
    key = leaf.get('images_key') if leaf.get('images_key') in ('labelled', 'unlabelled') else None
    for name in ('images_file', 'images_key', 'known_label_errors', 'subtypes', 'exclude_key'):
        leaf.pop(name, None)
    if leaf['type'] in BOXES:
        leaf['type'] = 'CheckedCocoDataset'
    if key:
        leaf.update(images_file='split.json', images_key=key)
    leaf.update(data_root=f'{folder}/', ann_file='annotations.json', data_prefix=dict(img='images/'))


def _small_pictures(part: Any, folder: Path) -> Any:
    """Every ``scale`` at ``SIDE`` px, every file of detections at that of the tiny set."""
    if isinstance(part, list):
        return [_small_pictures(x, folder) for x in part]
    if not isinstance(part, dict):
        return part
    part = {
        key: (SIDE, SIDE) if key == 'scale' and isinstance(value, list) else _small_pictures(value, folder)
        for key, value in part.items()
    }
    if part.get('type') == 'FileProposals':
        part['file'] = str(folder / 'set_0' / 'detections.json')
    return part


def _narrow(part: Any) -> Any:
    """YOLOv5 of width 1/8, R50 of 8 base channels, heads of 32."""
    if isinstance(part, list):
        return [_narrow(x) for x in part]
    if not isinstance(part, dict):
        return part
    part = {key: _narrow(value) for key, value in part.items()}
    kind = str(part.get('type', ''))
    if kind.endswith('YOLOv5Backbone'):
        part.update(width=0.125, depth=0.33, init_cfg=None)
    elif kind in ('YOLOv5Neck', 'YOLOv5Head'):
        part.update(in_channels=[32, 64, 128])
        if kind == 'YOLOv5Neck':
            part.update(depth=0.33)
    elif kind == 'ResNet':
        part.update(base_channels=8, init_cfg=None)
    elif kind == 'FPN' and len(part['in_channels']) == 4:
        wide = part['in_channels'][0] == 256
        part.update(in_channels=[32, 64, 128, 256] if wide else [16, 32, 64, 128])
    elif kind.endswith('BBoxHead'):
        part.update(fc_out_channels=32)
    elif kind == 'AnchorGenerator':
        part.update(scales=[24 / part['strides'][0]])  # of the size of the squares: an untrained detector meets some
    if 'min_bbox_size' in part:  # of an RPN
        part['max_per_img'] = min(part['max_per_img'], 100)
    if 'nms_pre' in part:
        part['nms_pre'] = min(part['nms_pre'], 300)
    if kind == 'RelationHead' and part.get('visual', {}).get('level') == 0:
        part['visual'].update(channels=32)
    return part


def _write_set(folder: Path, leaf: dict) -> None:
    """Pictures of coloured squares and their annotations; relations too where the data set has predicates."""
    known = list(leaf['metainfo']['classes'])
    unknown = list(leaf.get('unknown_classes') or [])
    names = [*known, *unknown, *(leaf.get('ignore_classes') or [])]
    predicates = list(leaf['metainfo'].get('predicates') or [])
    (folder / 'images').mkdir(parents=True)
    colours = np.random.default_rng(0).integers(0, 256, (len(names), 3))
    drawn = itertools.cycle(range(len(known)))
    images, annotations, relations = [], [], []
    for i in range(IMAGES):
        picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
        first = len(annotations) + 1
        for k, (x, y) in enumerate(CORNERS):
            hidden = unknown and i % 2 and k == 3
            label = len(known) + i // 2 % len(unknown) if hidden else 0 if k == 0 else next(drawn)
            picture[y : y + 24, x : x + 24] = colours[label]
            box = dict(bbox=[x, y, 24, 24], area=576, iscrowd=0)
            annotations.append(dict(id=len(annotations) + 1, image_id=i, category_id=label + 1, **box))
        cv2.imwrite(str(folder / 'images' / f'{i}.png'), picture)
        images.append(dict(id=i, file_name=f'{i}.png', width=SIDE, height=SIDE))
        for k in range(3 if predicates else 0):
            number = (3 * i + k) % len(predicates)
            relations.append(dict(image_id=i, subject_id=first, object_id=first + 1 + k, predicate_id=number + 1))
    data = dict(images=images, annotations=annotations, categories=_entries(names))
    if predicates:
        triplets = _triplets(annotations, relations)
        data |= dict(predicates=_entries(predicates), relations=relations, triplets=triplets)
        known = dict(list_test=np.array([[x['file_name']] for x in images], object))
        savemat(folder / 'anno.mat', known | dict(anno_test=np.ones((len(triplets), IMAGES))))
    (folder / 'annotations.json').write_text(json.dumps(data))
    halves = {name: [f'{i}.png' for i in range(k, IMAGES, 2)] for k, name in enumerate(('labelled', 'unlabelled'))}
    (folder / 'split.json').write_text(json.dumps(halves))
    rows = [
        dict(file_name=f'{x["image_id"]}.png', category_name=names[x['category_id'] - 1], bbox=x['bbox'], score=0.9)
        for x in annotations
    ]
    (folder / 'detections.json').write_text(json.dumps(rows))


def _entries(names: list[str]) -> list[dict]:
    return [dict(id=i + 1, name=name) for i, name in enumerate(names)]


def _triplets(annotations: list[dict], relations: list[dict]) -> list[dict]:
    """What HICO-DET's protocol counts: the (class, predicate) that occur; every other one is rare."""
    classes = {x['id']: x['category_id'] for x in annotations}
    pairs = sorted({(classes[x['object_id']], x['predicate_id']) for x in relations})
    return [dict(category_id=c, predicate_id=p, rare=bool(i % 2)) for i, (c, p) in enumerate(pairs)]
