"""Small data sets on disk for the tests of detplug.data."""

import json
from pathlib import Path

import cv2
import numpy as np

NAMES = ('worm', 'egg', 'cyst')
SIZE = (48, 32)  # width, height px


def write_images(folder: Path, names, size=SIZE) -> None:
    """Coloured gradients, each image another one."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    for i, name in enumerate(names):
        image = np.stack([255 * x, 255 * y, np.full_like(x, 40 * (i % 6))], axis=-1).astype(np.uint8)
        cv2.imwrite(str(folder / name), image)


def coco_content(names=NAMES, images=3) -> dict:
    """One box of each category in each image but the last, which has none."""
    annotations = [
        dict(id=10 * i + k, image_id=i, category_id=k + 1, bbox=[2 + 4 * k, 3, 10, 8], area=80, iscrowd=0)
        for i in range(images - 1)
        for k in range(len(names))
    ]
    return dict(
        images=[dict(id=i, file_name=f'{i}.png', width=SIZE[0], height=SIZE[1]) for i in range(images)],
        annotations=annotations,
        categories=[dict(id=k + 1, name=name) for k, name in enumerate(names)],
    )


def write_coco(folder: Path, content: dict | None = None) -> Path:
    """``folder`` with ann.json and img/*.png."""
    content = coco_content() if content is None else content
    write_images(folder / 'img', [image['file_name'] for image in content['images']])
    (folder / 'ann.json').write_text(json.dumps(content))
    return folder


def voc_text(boxes, size=SIZE, extra='') -> str:
    """VOC xml; ``boxes`` are (name, xmin, ymin, xmax, ymax)."""
    objects = ''.join(
        f'<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>'
        f'<ymax>{y2}</ymax></bndbox></object>'
        for name, x1, y1, x2, y2 in boxes
    )
    return f'<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>{objects}{extra}</annotation>'


def write_voc(folder: Path, annotations: dict) -> Path:
    """``folder`` in the official layout; ``annotations`` is image name -> boxes."""
    for name in ('Annotations', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_images(folder / 'JPEGImages', [f'{name}.jpg' for name in annotations])
    for name, boxes in annotations.items():
        (folder / 'Annotations' / f'{name}.xml').write_text(voc_text(boxes))
    (folder / 'ImageSets/Main/all.txt').write_text('\n'.join(annotations))
    return folder
