"""A download of HICO-DET's size and format, without its pictures, for dry runs of a whole training.

Where each statistic is from (data/README.md names the files):

- Pairs of each class: num_inst.npy, the counts of the training split: 117,752 pairs of 600 classes (138 of them rare),
  80 objects and 117 verbs. Publications count 117,871 pairs.
- All that is in an image: instances_test2015.json. An image of the training split is one of the test split, drawn so
  often that the counts of the classes are right. So sizes, portraits, boxes, the number of pairs, images without any
  and how often a person is drawn anew are those of the test split's annotators.
- Pictures: photographs of vcoco/images, one for each size that occurs, scaled to it; all names of that size are hard
  links to it. So pixels are decoded at their real size, but from memory: no disk reads 47,776 files.
- The test split has its real annotations and labels of images.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.sparse import csr_array, hstack

IMAGES, TEST_IMAGES = 38118, 9658
ROUNDS = 100  # of the fit; the counts of the classes are then right to a thousandth
QUALITY = 95  # of the JPEG files
COUNTS, TEST, LABELS = 'num_inst.npy', 'instances_test2015.json', 'anno.mat'


def write_download(data: Path, folder: Path, images: int = IMAGES, test_images: int = TEST_IMAGES) -> dict[str, float]:
    """Write what ``prepare_data.py hico-det`` reads, in the form of the hicodet tools.

    Args:
        data: with the folders hico and vcoco/images.
        folder: new; on a disk with hard links.
        images: of the training split; the counts of the classes are scaled to it.
        test_images: the first so many of the test split.

    Returns:
        figures of the pictures: sizes (different ones), jpeg_kb (mean over the images).
    """
    content = json.loads((data / 'hico' / TEST).read_text())
    copies = copies_of_images([x['hoi'] for x in content['annotation']], np.load(data / 'hico' / COUNTS), images)
    drawn = np.repeat(np.arange(len(copies)), copies)
    splits = dict(train=chosen(content, drawn), test=chosen(content, np.arange(test_images)))
    splits['train']['filenames'] = [f'HICO_train2015_{i:08d}.jpg' for i in range(1, images + 1)]
    photographs = sorted((data / 'vcoco' / 'images').glob('*.jpg'))
    every = [tuple(size) for split in splits.values() for size in split['size']]
    (folder / 'pictures').mkdir(parents=True)
    pictures = write_pictures(sorted(set(every)), photographs, folder / 'pictures')
    for split, entries in splits.items():
        (folder / f'instances_{split}2015.json').write_text(json.dumps(entries))
        target = folder / 'images' / f'{split}2015'
        target.mkdir(parents=True)
        for name, size in zip(entries['filenames'], entries['size'], strict=True):
            (target / name).hardlink_to(pictures[tuple(size)])
    shutil.copy(data / 'hico' / LABELS, folder / LABELS)
    kilobytes = {size: path.stat().st_size / 1e3 for size, path in pictures.items()}
    return dict(sizes=len(pictures), jpeg_kb=float(np.mean([kilobytes[size] for size in every])))


def copies_of_images(classes: Sequence[Sequence[int]], wanted: np.ndarray, images: int) -> np.ndarray:
    """(I,) int64: how often each of I images is drawn so that all together have ``wanted`` pairs of each class.

    The weights are those of generalised iterative scaling (Darroch and Ratcliff, 1972): of all that give these counts
    and this number of images, the ones that change the distribution of the images least.

    Args:
        classes: of the pairs of each image.
        wanted: (C,) counts of a data set of :data:`IMAGES` images; those of ``images`` are in proportion.
        images: how many are drawn in all.
    """
    image = np.repeat(np.arange(len(classes)), [len(x) for x in classes])
    kind = np.concatenate([np.asarray(x, np.int64) for x in classes])
    counts = csr_array((np.ones(len(kind)), (image, kind)), shape=(len(classes), len(wanted)))
    counts = hstack([counts, np.ones((len(classes), 1))], format='csr')  # an image is one image
    targets = np.append(wanted, IMAGES)
    share = csr_array(counts / counts.sum(1)[:, None])
    weights = np.full(len(classes), IMAGES / len(classes))
    for _ in range(ROUNDS):
        weights *= share @ (targets / np.maximum(weights @ counts, 1e-9))
    places = np.floor(np.cumsum(weights) * (images / weights.sum()) + 0.5)
    return np.diff(places, prepend=0).astype(np.int64)


def chosen(content: dict[str, Any], images: np.ndarray) -> dict[str, Any]:
    """The annotations of some images, the same one perhaps several times."""
    lists = {key: [content[key][i] for i in images] for key in ('annotation', 'filenames', 'size')}
    return content | lists | dict(empty=[i for i, x in enumerate(lists['annotation']) if not x['hoi']])


def write_pictures(
    sizes: Sequence[tuple[int, int]], photographs: Sequence[Path], folder: Path
) -> dict[tuple[int, int], Path]:
    """(width, height) -> a photograph of that size."""
    written = {}
    for i, size in enumerate(sizes):
        written[size] = folder / f'{i:04d}.jpg'
        pixels = cv2.resize(cv2.imread(str(photographs[i % len(photographs)])), size, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(written[size]), pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return written
