"""Sample data for relations: drawn scenes of persons and objects, annotations with relations, a manifest.

Layout of the folder: ``images/SPLIT_0000.jpg``, ``annotations/{train,val,test}.json``, ``manifest.json``. The
annotations are COCO json with ``predicates`` and ``relations`` beside (docs/own_relations.md). Boxes are those of what
is seen; at least 40 % of everything is. Every relation follows from the geometry by ``scene.verbs.verbs_of``, and every
pair without one is annotated as such by its absence. Training is imbalanced, 5:1 among verbs and
4:1 among object classes: what a detector can learn from nothing in minutes; val and test are balanced.
"""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from plugins.samples.folder import checked_settings, write_folder
from plugins.samples.scene.acts import KINDS
from plugins.samples.scene.composition import Scene, make_scene
from plugins.samples.scene.photo import photograph
from plugins.samples.scene.plan import DEFAULT_COUNTS, ImagePlan, plan
from plugins.samples.scene.verbs import VERBS
from plugins.samples.splits import command, image_name, write_splits

VERSION = 2  # raise it with every change that changes a byte of the data
JPEG_QUALITY = 93
CLASSES = ('person', *KINDS)


def generate(
    folder: str | os.PathLike,
    seed: int = 0,
    counts: Mapping[str, int] | None = None,
    size: int = 320,
    workers: int | None = None,
) -> Path:
    """Write the data set to ``folder``, all or nothing; a complete folder of the same settings is left as it is.

    Args:
        folder: replaced when it holds sample scenes of other settings, or damaged ones.
        seed: the same seed gives the same bytes (on one machine, with the same numpy and OpenCV).
        counts: images a split, by default 180 train, 60 val, 60 test; other counts scale the numbers of classes and
            relations.
        size: width and height of the images in pixels; what they show is scaled.
        workers: threads, by default one a core; the bytes do not depend on it.

    Raises:
        UserError: settings out of range, or a folder that holds something else.
    """
    settings = {'generator': 'plugins.samples.scenes', 'version': VERSION}
    settings |= checked_settings(seed, counts, size, DEFAULT_COUNTS)
    write = partial(_write, settings=settings, workers=workers or os.cpu_count() or 1)
    return write_folder(Path(folder), settings, write)


def draw_scene(what: ImagePlan, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Scene]:
    """One picture of a plan: (size, size, 3) uint8 RGB, and the scene with its labels."""
    scene = make_scene(what, size, rng)
    return photograph(scene, rng), scene


def _write(folder: Path, settings: dict, workers: int) -> dict:
    """Pictures and annotations into an empty folder; returns the counts a split, for the manifest."""
    scenes = write_splits(folder, settings, tuple(DEFAULT_COUNTS), plan, draw_scene, to_json, JPEG_QUALITY, workers)
    facts = {'boxes': {}, 'relations': {}}
    for split, some in scenes.items():
        boxes = Counter(thing.kind for scene in some for thing in scene.things)
        verbs = Counter(verb for scene in some for *_, verb in scene.relations)
        facts['boxes'][split] = {name: boxes[name] for name in CLASSES}
        facts['relations'][split] = {name: verbs[name] for name in VERBS}
    return facts


def to_json(split: str, scenes: Sequence[Scene]) -> dict:
    """The labels of a split: COCO detection json, predicates and relations; ids of names and boxes start at 1."""
    starts = np.cumsum([1, *(len(scene.things) for scene in scenes)]).tolist()
    return {
        'info': {'description': 'generated scenes of persons and objects', 'version': str(VERSION)},
        'images': [
            {'id': i, 'file_name': image_name(split, i), 'width': scene.size, 'height': scene.size}
            for i, scene in enumerate(scenes)
        ],
        'annotations': [
            annotation
            for i, (scene, start) in enumerate(zip(scenes, starts, strict=False))
            for annotation in _annotations(i, scene, start)
        ],
        'categories': [
            {'id': i, 'name': name, 'supercategory': 'person' if name == 'person' else 'object'}
            for i, name in enumerate(CLASSES, 1)
        ],
        'predicates': [{'id': i, 'name': name} for i, name in enumerate(VERBS, 1)],
        'relations': [
            {
                'image_id': i,
                'subject_id': start + subject,
                'object_id': start + object_,
                'predicate_id': VERBS.index(verb) + 1,
            }
            for i, (scene, start) in enumerate(zip(scenes, starts, strict=False))
            for subject, object_, verb in scene.relations
        ],
    }


def _annotations(image: int, scene: Scene, start: int) -> list[dict]:
    """COCO annotations of a scene, numbered from ``start``."""
    boxes = np.concatenate([scene.boxes[:, :2], scene.boxes[:, 2:] - scene.boxes[:, :2]], 1).tolist()
    return [
        {
            'id': start + k,
            'image_id': image,
            'category_id': CLASSES.index(thing.kind) + 1,
            'bbox': box,
            'area': area,
            'iscrowd': 0,
        }
        for k, (thing, box, area) in enumerate(zip(scene.things, boxes, scene.areas.tolist(), strict=True))
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m plugins.samples.scenes OUT [--seed N] [--size PX]``."""
    return command(generate, DEFAULT_COUNTS, 'plugins.samples.scenes', __doc__.splitlines()[0], argv)


if __name__ == '__main__':
    from detplug.cli.run import run

    sys.exit(run(main))
