"""What every generator does: plan a split, draw its images on threads, write the files; and its command line."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

Planner = Callable[[str, int, np.random.Generator], Sequence]
Painter = Callable[[Any, int, np.random.Generator], tuple[np.ndarray, Any]]


def write_splits(
    folder: Path,
    settings: Mapping,
    splits: Sequence[str],
    plan: Planner,
    draw: Painter,
    to_json: Callable[[str, list], dict],
    quality: int,
    workers: int,
) -> dict[str, list]:
    """``images/SPLIT_0000.jpg`` and ``annotations/SPLIT.json`` into an empty folder.

    Args:
        settings: of folder.checked_settings.
        splits: all that exist, in order: the random stream of a split does not depend on which others are wanted.
        plan: (split, images, rng) -> what each image shows.
        draw: (plan of an image, size, rng) -> (size, size, 3) uint8 RGB and its labels.
        to_json: (split, labels of its images) -> content of the annotation file.
        quality: of the JPEG files.
        workers: threads; the bytes do not depend on it.

    Returns:
        split -> labels of its images.
    """
    (folder / 'images').mkdir()
    (folder / 'annotations').mkdir()
    labels = {}
    for number, split in enumerate(splits):
        if split not in settings['counts']:
            continue
        seed, images = [settings['seed'], number], settings['counts'][split]
        plans = plan(split, images, np.random.default_rng([*seed, 0]))
        write = partial(_write_image, folder / 'images', split, settings['size'], seed, draw, quality)
        with ThreadPoolExecutor(workers) as pool:
            labels[split] = list(pool.map(write, range(images), plans))
        (folder / 'annotations' / f'{split}.json').write_text(json.dumps(to_json(split, labels[split]), indent=1))
    return labels


def image_name(split: str, index: int) -> str:
    """File name of an image."""
    return f'{split}_{index:04d}.jpg'


def command(
    generate: Callable[..., Path], counts: Mapping[str, int], module: str, title: str, argv: Sequence[str] | None
) -> int:
    """``python -m MODULE OUT [--seed N] [--size PX] [--SPLIT N]``; ``counts`` are the default images a split."""
    parser = argparse.ArgumentParser(prog=f'python -m {module}', description=title)
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--size', type=int, default=320, help='width and height of the images in pixels')
    for split, images in counts.items():
        parser.add_argument(f'--{split}', type=int, default=images, help=f'images of the {split} split')
    args = parser.parse_args(argv)
    folder = generate(args.out, args.seed, {split: getattr(args, split) for split in counts}, args.size)
    print(f'{folder}: {len(list((folder / "images").iterdir()))} images')
    return 0


def _write_image(
    folder: Path, split: str, size: int, seed: list[int], draw: Painter, quality: int, index: int, plan: Any
) -> Any:
    picture, labels = draw(plan, size, np.random.default_rng([*seed, 1, index]))
    bgr = np.ascontiguousarray(picture[..., ::-1])
    _, encoded = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    (folder / image_name(split, index)).write_bytes(encoded.tobytes())
    return labels
