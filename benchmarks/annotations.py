"""Claim: annotations of the size of instances_train2017 become a data set in 25 s, in 2.5 times the file's memory.

118,287 images and 860,001 boxes of 80 classes with polygons are generated in a temporary folder. Fresh processes make
the whole data set (file parsed and checked, boxes cleaned, items packed for the loaders) of it: one, and then two at
once as the ranks of a training are, of which one reads the file and the other takes what it read. Times are CPU
seconds of a process, memory is its peak above that of its imports.
Usage: python benchmarks/annotations.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from record import record

IMAGES, BOXES, CLASSES = 118287, 860001, 80
POLYGONS = 5000  # different ones, each drawn many times
SEED = 0


def write_annotations(path: Path) -> None:
    """COCO json of about the size of instances_train2017 (448 MB)."""
    rng = np.random.default_rng(SEED)
    polygons = [
        json.dumps([rng.uniform(0, 640, 2 * points).round(2).tolist()]) for points in rng.integers(6, 42, POLYGONS)
    ]
    corners = rng.uniform(0, 400, (BOXES, 2)).round(2)
    boxes = np.concatenate([corners, rng.uniform(2, 80, (BOXES, 2)).round(2)], axis=1).tolist()
    columns = (rng.integers(0, IMAGES, BOXES), rng.integers(1, CLASSES + 1, BOXES), rng.integers(0, POLYGONS, BOXES))
    with path.open('w') as file:
        file.write('{"info": {"description": "generated"}, "licenses": [], "images": [')
        images = (
            f'{{"license": 3, "file_name": "{i:012d}.jpg", "coco_url": "http://images.invalid/train2017/{i:012d}.jpg", '
            f'"height": 480, "width": 640, "date_captured": "2013-11-14 11:18:45", "id": {i}}}'
            for i in range(IMAGES)
        )
        file.write(', '.join(images))
        file.write('], "annotations": [')
        rows = enumerate(zip(boxes, *(column.tolist() for column in columns), strict=True), start=1)
        annotations = (
            f'{{"segmentation": {polygons[k]}, "area": {box[2] * box[3] * 0.7:.6f}, "iscrowd": {int(i % 90 == 0)}, '
            f'"image_id": {image}, "bbox": {box}, "category_id": {category}, "id": {i}}}'
            for i, (box, image, category, k) in rows
        )
        file.write(', '.join(annotations))
        categories = [dict(supercategory='thing', id=k, name=f'class {k}') for k in range(1, CLASSES + 1)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def read(path: str) -> None:
    """Make the data set; prints CPU seconds, peak memory above that of the imports in bytes, and images and boxes."""
    from detplug.data import CheckedCocoDataset

    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('ERROR')
    before, start = peak_bytes(), time.process_time()
    classes = tuple(f'class {k}' for k in range(1, CLASSES + 1))
    dataset = CheckedCocoDataset(ann_file=path, metainfo=dict(classes=classes), pipeline=[])
    seconds, peak = time.process_time() - start, peak_bytes() - before
    boxes = sum(len(dataset.get_data_info(i)['instances']) for i in range(len(dataset)))
    print(json.dumps(dict(seconds=seconds, bytes=peak, images=len(dataset), boxes=boxes)))


def peak_bytes() -> int:
    """Highest resident memory of this process so far; ru_maxrss begins with that of the process that started it."""
    return next(int(x.split()[1]) for x in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in x) * 1024


def in_fresh_processes(path: Path, number: int) -> Sequence[dict]:
    """What :func:`read` prints in each of ``number`` processes at once, that which took longest (the reader) first."""
    command = [sys.executable, __file__, str(path)]
    environment = os.environ | {'DETPLUG_CACHE': str(path.parent / 'cache')}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(number)]
    printed = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit('reading failed')
    return sorted((json.loads(text.splitlines()[-1]) for text in printed), key=lambda one: -one['seconds'])


def main() -> None:
    """Generate, read and record."""
    with tempfile.TemporaryDirectory() as folder:
        alone, ranks = Path(folder, 'alone', 'ann.json'), Path(folder, 'ranks', 'ann.json')
        alone.parent.mkdir()
        ranks.parent.mkdir()
        write_annotations(alone)
        os.link(alone, ranks)
        size = alone.stat().st_size
        (first,) = in_fresh_processes(alone, 1)
        reader, taker = in_fresh_processes(ranks, 2)
    record(
        'annotations',
        dict(
            images=first['images'],
            boxes=first['boxes'],
            file_mb=size / 1e6,
            read_seconds=first['seconds'],
            memory_over_file=first['bytes'] / size,
            rank_0_seconds=reader['seconds'],
            rank_1_seconds=taker['seconds'],
            rank_1_memory_over_file=taker['bytes'] / size,
        ),
        seeds=[SEED],
    )


if __name__ == '__main__':
    if len(sys.argv) > 1:
        read(sys.argv[1])
    else:
        main()
