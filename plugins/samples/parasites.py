"""The sample data set: pictures of slides with parasite eggs, COCO annotations, a manifest.

Layout of the folder: ``images/SPLIT_0000.jpg``, ``annotations/{train,val,test}.json``, ``manifest.json``.
Boxes are those of the visible part of an egg (spine, plugs and coat included; halo and blur not); at least a quarter of
every egg is visible, none is drawn below that. Unknown species are annotated under their own names in every split:
a config declares them as ``unknown_classes``. Training counts are imbalanced 50:1 among known species; val and test
are balanced.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from plugins.samples.folder import checked_settings, write_folder
from plugins.samples.layout import DEFAULT_COUNTS, Label, plan, populate
from plugins.samples.slide import Slide
from plugins.samples.species import SPECIES
from plugins.samples.splits import command, image_name, write_splits

VERSION = 1  # raise it with every change that changes a byte of the data
JPEG_QUALITY = 95


def generate(
    folder: str | os.PathLike,
    seed: int = 0,
    counts: Mapping[str, int] | None = None,
    size: int = 320,
    workers: int | None = None,
) -> Path:
    """Write the data set to ``folder``, all or nothing; a complete folder of the same settings is left as it is.

    Args:
        folder: replaced when it holds sample data of other settings, or damaged data.
        seed: the same seed gives the same bytes (on one machine, with the same numpy and OpenCV).
        counts: images a split, by default 140 train, 50 val, 50 test; other counts scale the boxes a class.
        size: width and height of the images in pixels; the field of view stays the same.
        workers: threads, by default one a core; the bytes do not depend on it.

    Raises:
        UserError: settings out of range, or a folder that holds something else.
    """
    settings = {'generator': 'plugins.samples.parasites', 'version': VERSION}
    settings |= checked_settings(seed, counts, size, DEFAULT_COUNTS)
    write = partial(_write, settings=settings, workers=workers or os.cpu_count() or 1)
    return write_folder(Path(folder), settings, write)


def draw_slide(eggs: list[int], size: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Label]]:
    """One picture with the given species (indices into SPECIES): (size, size, 3) uint8 RGB and its labels."""
    slide = Slide(size, rng)
    labels = populate(slide, eggs, rng)
    return slide.photograph(rng), labels


def _write(folder: Path, settings: dict, workers: int) -> dict:
    """Pictures and annotations into an empty folder; returns the boxes a species and split, for the manifest."""

    def to_json(split: str, images: list[list[Label]]) -> dict:
        return to_coco(split, images, settings['size'])

    labels = write_splits(folder, settings, tuple(DEFAULT_COUNTS), plan, draw_slide, to_json, JPEG_QUALITY, workers)
    counts = {split: Counter(label.species for _, label in _flat(images)) for split, images in labels.items()}
    return {'boxes': {split: {s.name: count[i] for i, s in enumerate(SPECIES)} for split, count in counts.items()}}


def to_coco(split: str, labels: list[list[Label]], size: int) -> dict:
    """The labels of a split's images as a COCO dictionary; every species is a category, unknown ones too."""
    images = [{'id': i, 'file_name': image_name(split, i), 'width': size, 'height': size} for i in range(len(labels))]
    annotations = [
        {
            'id': number,
            'image_id': image,
            'category_id': label.species + 1,
            'bbox': list(label.box),
            'area': label.area,
            'iscrowd': 0,
        }
        for number, (image, label) in enumerate(_flat(labels), 1)
    ]
    categories = [{'id': i, 'name': s.name, 'supercategory': 'egg'} for i, s in enumerate(SPECIES, 1)]
    return {
        'info': {'description': 'generated parasite slides', 'version': str(VERSION)},
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }


def _flat(labels: list[list[Label]]) -> Iterator[tuple[int, Label]]:
    return ((image, label) for image, some in enumerate(labels) for label in some)


def main(argv: list[str] | None = None) -> int:
    """``python -m plugins.samples.parasites OUT [--seed N] [--size PX]``."""
    return command(generate, DEFAULT_COUNTS, 'plugins.samples.parasites', __doc__.splitlines()[0], argv)


if __name__ == '__main__':
    from detplug.cli.run import run

    sys.exit(run(main))
