"""A YOLO data set of generated slides, small enough for a training of two steps."""

import shutil
from pathlib import Path

from detplug.data.formats.convert import convert
from plugins.samples.parasites import generate

COUNTS = dict(train=4, val=2, test=2)
SIDE = 64  # px


def write_yolo(folder: Path) -> Path:
    """``folder``/data.yaml of ten species, four pictures to learn from, two for val and two for test."""
    source = generate(folder.with_name(f'{folder.name}-coco'), counts=COUNTS, size=SIDE)
    convert(source, folder, 'yolo')
    shutil.rmtree(source)
    return folder / 'data.yaml'
