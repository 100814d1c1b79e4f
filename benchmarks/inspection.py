"""``inspect`` on BCCD, whose official splits leak, and on 5,000 generated images with planted overlaps.

leaking_pairs, leaking_pairs_found: pairs across BCCD's splits that overlap by 16 % or more (by correlation over every
    shift of all pairs), and those of them that are found. false_pairs: other pairs across splits.
images, seconds, processor_seconds: of the generated set, whole command. planted, planted_found, planted_false: pairs
    across its splits that overlap by 25 % and more.

python benchmarks/inspection.py [bccd] [speed]      by default both (some minutes)
"""

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from record import RESULTS, record

from detplug.data.formats.formats import read_set
from plugins.microscopy.inspection.inspect_set import inspect_set

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
FOLDER = ROOT / 'work_dirs' / 'benchmarks' / 'inspection'
IMAGES, PLANTED, WIDTH, HEIGHT, CELLS = 5000, 100, 640, 480, 120
ACROSS = 'images that show the same in two splits'
LEAKING = (
    '37-38 386-391 166-193 365-408 233-254 364-409 204-277 205-276 228-259 207-279 230-257 248-249 229-258 242-249 '
    '227-260 226-261 232-255 19-20 165-193 236-253 223-263 244-247 225-262 276-277 160-161 223-264 40-41 225-264'
)


def main() -> None:
    path = RESULTS / 'inspection.json'
    figures = json.loads(path.read_text())['figures'] if path.exists() else {}
    for part in sys.argv[1:] or ['bccd', 'speed']:
        figures |= {'bccd': bccd, 'speed': speed}[part]()
    record('inspection', figures, [0])


def pairs_across(source: Path) -> set[frozenset[str]]:
    """File names of each pair across splits."""
    seen = inspect_set(read_set(source)[1], (640, 640))
    return {frozenset(name for _, name in group) for x in seen.findings if x.kind == ACROSS for group in x.images}


def bccd() -> dict[str, float]:
    pairs = {frozenset(f'BloodImage_{int(x):05d}.jpg' for x in pair.split('-')) for pair in LEAKING.split()}
    found = pairs_across(DATA / 'bccd')
    return {'leaking_pairs': len(pairs), 'leaking_pairs_found': len(found & pairs), 'false_pairs': len(found - pairs)}


def speed() -> dict[str, float]:
    planted = generate()
    began, processor = time.perf_counter(), time.process_time()
    found = pairs_across(FOLDER)
    return {
        'images': IMAGES,
        'seconds': time.perf_counter() - began,
        'processor_seconds': time.process_time() - processor,
        'planted': len(planted),
        'planted_found': len(found & planted),
        'planted_false': len(found - planted),
    }


def generate() -> set[frozenset[str]]:
    """5,000 fields of cells; each of the first 100 of training has an overlapping one in val."""
    content = {
        split: dict(images=[], annotations=[], categories=[dict(id=1, name='cell')]) for split in ('train', 'val')
    }
    planted = set()
    for number in range(IMAGES - PLANTED):
        split = 'val' if number >= 0.8 * IMAGES else 'train'
        rng = np.random.default_rng(number)
        add(content[split], split, f'{number:05d}.jpg', number, rng, (0, 0))
        if number < PLANTED:
            shift = (int(rng.integers(20, WIDTH // 2)), int(rng.integers(20, HEIGHT // 2)))
            add(content['val'], 'val', f'{number:05d}b.jpg', number, rng, shift)
            planted.add(frozenset((f'{number:05d}.jpg', f'{number:05d}b.jpg')))
    for split, entries in content.items():
        (FOLDER / 'annotations').mkdir(exist_ok=True)
        (FOLDER / 'annotations' / f'{split}.json').write_text(json.dumps(entries))
    return planted


def add(content: dict, split: str, name: str, seed: int, rng: np.random.Generator, shift: tuple[int, int]) -> None:
    """Draw a field unless its file is there, and annotate one box."""
    path = FOLDER / 'images' / split / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), field_of_view(seed, rng, shift))
    number = len(content['images']) + 1
    content['images'].append(dict(id=number, file_name=name, width=WIDTH, height=HEIGHT))
    content['annotations'].append(dict(id=number, image_id=number, category_id=1, bbox=[9, 9, 60, 60]))


def field_of_view(seed: int, rng: np.random.Generator, shift: tuple[int, int]) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) of a ground twice as wide and high that ``seed`` draws, from ``shift`` (x, y px) on."""
    cells, image = np.random.default_rng(10**6 + seed), np.full((2 * HEIGHT, 2 * WIDTH, 3), 225, np.uint8)
    for _ in range(4 * CELLS):
        centre = cells.integers(0, (2 * WIDTH, 2 * HEIGHT)).tolist()
        axes, shade = cells.integers(8, 36, 2).tolist(), cells.integers(60, 210, 3).tolist()
        cv2.ellipse(image, centre, axes, float(cells.uniform(0, 180)), 0, 360, shade, -1)
    part = cv2.GaussianBlur(image[shift[1] : shift[1] + HEIGHT, shift[0] : shift[0] + WIDTH], (0, 0), 1.2)
    return np.clip(part + rng.normal(0, 3, part.shape), 0, 255).astype(np.uint8)


if __name__ == '__main__':
    main()
