"""Claim: a slide of 20,000 x 20,000 px with 2,000 eggs takes at most 5 minutes and 1 GB, each egg is reported once.

Writes a tiled OME-TIFF of generated eggs at known places, half of them on the edges of the tiles they will be seen in,
one in five touching another. Then, each in a process of its own: an oracle that answers from the truth looks at every
tile (reading all pixels); with --bundle a trained detector does. ``seam_misses``: eggs cut by an edge of a tile without
a box; ``seam_doubles``: boxes that are no egg's, within an egg's length of such an edge.

Usage: python benchmarks/slide.py [--bundle FOLDER] [--side 20000] [--eggs 2000]   (needs detplug[slides])
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import tifffile
from record import record

from detplug.images.sources import Item, list_items
from detplug.images.tiled_engine import TiledEngine
from detplug.images.tiles import tile_grid
from detplug.runtime.onnx_engine import OnnxEngine
from plugins.samples.drawing import OVERSAMPLING, TISSUE, Drawing, Optics
from plugins.samples.egg import draw_egg
from plugins.samples.slide import UM_WIDE, Slide
from plugins.samples.species import SPECIES

SEED, BLOCK = 0, 400  # px a side of a tile in the file
FIELD = 320  # px of UM_WIDE um: the magnification of the sample slides
MARGIN = 120  # px from an egg's centre that its patch does not reach
OVERLAP = 0.2
KNOWN = [i for i, species in enumerate(SPECIES) if species.known]


@dataclass(frozen=True)
class Egg:
    """An egg on the slide: label among the known species, (x, y) px of its patch's corner, seed of its drawing."""

    label: int
    corner: tuple[int, int]
    seed: int

    def draw(self) -> Drawing:
        rng = np.random.default_rng((SEED, 1, self.seed))
        optics = Optics(OVERSAMPLING * FIELD / UM_WIDE, stain=rng.uniform(0.8, 1.25))
        return draw_egg(SPECIES[KNOWN[self.label]], optics, rng)

    def box(self) -> np.ndarray:
        """(4,) xyxy px of the silhouette."""
        silhouette = self.draw().silhouette
        rows, columns = (np.flatnonzero(silhouette.any(axis)) / OVERSAMPLING for axis in (1, 0))
        low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1 / OVERSAMPLING
        return np.concatenate([low + self.corner, high + self.corner])


def place_eggs(side: int, count: int, tile: int) -> list[Egg]:
    """Eggs that overlap little: half of them on edges of the tiles, one in five beside the one before it."""
    rng = np.random.default_rng((SEED, 0))
    edges = np.unique(tile_grid((side, side), tile, OVERLAP)[:, ::2])
    edges = edges[(edges > MARGIN) & (edges < side - MARGIN)]
    eggs, boxes = [], np.empty((count, 4))
    while len(eggs) < count:
        centre = rng.uniform(MARGIN, side - MARGIN, 2)
        kind = rng.random()
        if eggs and kind < 0.2:
            box, angle = boxes[len(eggs) - 1], rng.uniform(0, 2 * np.pi)
            reach = (box[2:] - box[:2]).mean() * rng.uniform(0.8, 1.3)
            centre = (box[:2] + box[2:]) / 2 + reach * np.array([np.cos(angle), np.sin(angle)])
        elif kind < 0.7:
            centre[rng.integers(2)] = rng.choice(edges) + rng.uniform(-20, 20)
        centre = np.clip(centre, MARGIN, side - MARGIN)
        egg = Egg(int(rng.integers(len(KNOWN))), tuple((centre - 60).astype(int).tolist()), int(rng.integers(2**31)))
        box = egg.box()
        if (box[2:] > side).any() or iou(box[None], boxes[: len(eggs)]).max(initial=0) > 0.1:
            continue
        boxes[len(eggs)] = box
        eggs.append(egg)
    return eggs


def blocks(side: int, eggs: list[Egg]) -> Iterator[np.ndarray]:
    """The slide's tiles, row by row, (BLOCK, BLOCK, 3) uint8 RGB: one empty field in its turns, and the eggs on it."""
    rng = np.random.default_rng((SEED, 2))
    empty = Slide(BLOCK, rng).photograph(rng)
    rows: dict[int, list[tuple[Egg, np.ndarray]]] = {}
    waiting = sorted(eggs, key=lambda egg: egg.corner[1])
    for top in range(0, side, BLOCK):
        while waiting and waiting[0].corner[1] < top + BLOCK:
            egg = waiting.pop(0)
            drawing = egg.draw()
            density = drawing.pigment[..., None] * drawing.tint + drawing.grey[..., None] * TISSUE
            for row in range(top, egg.corner[1] + density.shape[0], BLOCK):
                rows.setdefault(row, []).append((egg, np.exp(-density)))
        here = rows.pop(top, [])
        for left in range(0, side, BLOCK):
            block = np.rot90(empty, int(rng.integers(4))).astype(np.float32)
            for egg, light in here:
                paste(block, light, egg.corner[0] - left, egg.corner[1] - top)
            yield np.clip(block, 0, 255).astype(np.uint8)


def paste(block: np.ndarray, light: np.ndarray, x: int, y: int) -> None:
    """Multiply the part of ``block`` under ``light`` whose corner is (x, y), in place."""
    height, width = light.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, BLOCK), min(y + height, BLOCK)
    if left < right and top < bottom:
        block[top:bottom, left:right] *= light[top - y : bottom - y, left - x : right - x]


def write_slide(path: Path, side: int, eggs: list[Egg]) -> None:
    """A tiled OME-TIFF with its micrometres a pixel, written block by block."""
    um = UM_WIDE / FIELD
    metadata = {'axes': 'YXS', 'PhysicalSizeX': um, 'PhysicalSizeY': um, 'PhysicalSizeXUnit': 'µm'}
    metadata['PhysicalSizeYUnit'] = 'µm'
    tifffile.imwrite(
        path, blocks(side, eggs), shape=(side, side, 3), dtype=np.uint8, tile=(BLOCK, BLOCK), photometric='rgb',
        compression='jpeg', compressionargs={'level': 90}, bigtiff=True, metadata=metadata,
    )  # fmt: skip


@dataclass
class Answer:
    """What an engine says of a tile."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    fields: dict = field(default_factory=dict)


class Oracle:
    """The true boxes of each tile, clipped to it; the score falls with the visible share. Knows the order of tiles."""

    names, fields, device, batch, window = tuple(SPECIES[i].name for i in KNOWN), (), 'cpu', 8, None

    def __init__(self, boxes: np.ndarray, labels: np.ndarray, tiles: np.ndarray):
        self.boxes, self.labels, self.tiles = boxes, labels, iter(tiles)

    def __call__(self, images) -> list[Answer]:
        return [self._answer(next(self.tiles), image) for image in images]

    def _answer(self, tile: np.ndarray, image: np.ndarray) -> Answer:
        assert image.shape[1::-1] == tuple(tile[2:] - tile[:2])
        clipped = np.clip(self.boxes, np.tile(tile[:2], 2), np.tile(tile[2:], 2))
        sides = clipped[:, 2:] - clipped[:, :2]
        seen = (sides > 0).all(1)
        share = sides.prod(1) / (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
        return Answer(clipped[seen] - np.tile(tile[:2], 2), 0.2 + 0.7 * share[seen], self.labels[seen])


class Sure:
    """An engine's detections from a score of .25 on."""

    def __init__(self, engine):
        self.engine, self.names, self.fields = engine, engine.names, engine.fields
        self.device, self.batch, self.window = engine.device, engine.batch, engine.window

    def __call__(self, images):
        return [detections.above(0.25) for detections in self.engine(images)]


def predict(args: argparse.Namespace) -> dict:
    """Boxes and labels on the slide, seconds and peak memory of this process."""
    began = time.monotonic()
    truth = np.load(args.truth)
    (slide,) = list_items([str(args.slide)])
    tile = args.tile
    tiles = tile_grid(slide.size, tile, OVERLAP)
    engine = Sure(OnnxEngine(args.bundle)) if args.bundle else Oracle(truth['boxes'], truth['labels'], tiles)
    detections = TiledEngine(engine, tile, OVERLAP)([slide])[0]
    seconds = time.monotonic() - began
    return {
        'centred': centred(engine, slide, truth['boxes'], tile) if args.bundle else [],
        'boxes': detections.boxes.tolist(),
        'labels': [list(Oracle.names).index(engine.names[label]) for label in detections.labels],
        'seconds': seconds,
        'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'um': check_slide(slide),
    }


def centred(engine: Sure, slide: Item, truth: np.ndarray, tile: int) -> list[dict]:
    """What the detector says of each egg in a tile around its middle: boxes on the slide and labels."""
    corners = np.clip((truth[:, :2] + truth[:, 2:] - tile) // 2, 0, np.array(slide.size) - tile).astype(int)
    answers = []
    for x, y in corners.tolist():
        (detections,) = engine([slide.read_region(x, y, tile, tile)])
        labels = [list(Oracle.names).index(engine.names[label]) for label in detections.labels]
        answers.append({'boxes': (detections.boxes + np.tile([x, y], 2)).tolist(), 'labels': labels})
    return answers


def check_slide(slide: Item) -> float:
    """Micrometres a pixel, which the file must say."""
    x, y = slide.micrometres
    assert x == y
    return x


def in_process(slide: Path, truth: Path, tile: int, bundle: str | None) -> dict:
    """:func:`predict` in a process of its own."""
    command = [sys.executable, __file__, '--predict', '--slide', slide, '--truth', truth, '--tile', str(tile)]
    command += ['--bundle', bundle] if bundle else []
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) intersection over union."""
    side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.prod(np.maximum(side, 0), 2)
    areas = [np.prod(x[:, 2:] - x[:, :2], 1) for x in (a, b)]
    return both / (areas[0][:, None] + areas[1] - both)


def matched(truth: np.ndarray, labels: np.ndarray, detections: dict, least: float) -> tuple[np.ndarray, np.ndarray]:
    """(eggs with a box of their own, boxes with an egg of their own), bool; the best pairs first."""
    boxes = np.array(detections['boxes']).reshape(-1, 4)
    overlap = iou(truth, boxes) * (labels[:, None] == np.array(detections['labels'], int))
    rows, columns = np.nonzero(overlap >= least)
    has, used = np.zeros(len(truth), bool), np.zeros(len(boxes), bool)
    for k in np.argsort(-overlap[rows, columns], kind='stable'):
        if not has[rows[k]] and not used[columns[k]]:
            has[rows[k]] = used[columns[k]] = True
    return has, used


def at_seams(boxes: np.ndarray, side: int, tile: int, near: float = 0) -> np.ndarray:
    """(N,) bool: an edge of a tile inside the slide cuts the box, or comes within ``near`` px of it."""
    grid = tile_grid((side, side), tile, OVERLAP)
    edges = np.setdiff1d(np.unique(grid[:, ::2]), [0, side])
    low, high = boxes[:, :2, None] - near, boxes[:, 2:, None] + near
    return ((low < edges) & (edges < high)).any((1, 2))


def figures_of(
    name: str, detections: dict, truth: np.ndarray, labels: np.ndarray, side: int, tile: int, least: float
) -> dict:
    """Flat figures of one engine."""
    has, used = matched(truth, labels, detections, least)
    seam = at_seams(truth, side, tile)
    boxes = np.array(detections['boxes']).reshape(-1, 4)
    seam_boxes = at_seams(boxes, side, tile, near=60)
    return {
        f'{name}_seconds': round(detections['seconds'], 1),
        f'{name}_peak_mb': round(detections['peak_mb']),
        f'{name}_tiles': len(tile_grid((side, side), tile, OVERLAP)),
        f'{name}_seam_eggs': int(seam.sum()),
        f'{name}_seam_misses': int((seam & ~has).sum()),
        f'{name}_seam_doubles': int((seam_boxes & ~used).sum()),
        f'{name}_boxes_of_no_egg': int((~used).sum()),
        f'{name}_seam_recall': round(float(has[seam].mean()), 4),
        f'{name}_other_recall': round(float(has[~seam].mean()), 4),
    } | centred_figures(name, detections, truth, labels, seam, least)


def centred_figures(
    name: str, detections: dict, truth: np.ndarray, labels: np.ndarray, seam: np.ndarray, least: float
) -> dict:
    """Recall of the eggs at seams in tiles around their middle; further boxes on an egg, a hundred eggs, both ways."""
    if not detections['centred']:
        return {}
    rows = enumerate(detections['centred'])
    has = np.array([matched(truth[i : i + 1], labels[i : i + 1], answer, least)[0][0] for i, answer in rows])
    extra = [further_boxes(truth[i : i + 1], answer, least) for i, answer in enumerate(detections['centred'])]
    return {
        f'{name}_seam_recall_centred': round(float(has[seam].mean()), 4),
        f'{name}_further_boxes': round(100 * further_boxes(truth, detections, least) / len(truth), 1),
        f'{name}_further_boxes_centred': round(100 * sum(extra) / len(truth), 1),
    }


def further_boxes(truth: np.ndarray, detections: dict, least: float) -> int:
    """Boxes on an egg, of any name, that another box is on."""
    on = (iou(truth, np.array(detections['boxes']).reshape(-1, 4)) >= least).sum(1)
    return int(np.maximum(on - 1, 0).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bundle', help='an exported detector of the sample slides, such as work_dirs/demo/bundle')
    parser.add_argument('--side', type=int, default=20_000)
    parser.add_argument('--eggs', type=int, default=2_000)
    parser.add_argument('--tile', type=int, default=640, help='of the oracle; a bundle sees its own 320 px')
    for name in ('--predict', '--slide', '--truth'):
        parser.add_argument(name, **(dict(action='store_true') if name == '--predict' else {}), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.predict:
        print(json.dumps(predict(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        slide, truth = Path(folder, 'slide.ome.tif'), Path(folder, 'truth.npz')
        figures = {'side': args.side, 'eggs': args.eggs}
        for name, tile, bundle, least in (('oracle', args.tile, None, 0.99), ('detector', FIELD, args.bundle, 0.5)):
            if name == 'detector' and not bundle:
                continue
            eggs = place_eggs(args.side, args.eggs, tile)
            boxes, labels = np.array([egg.box() for egg in eggs]), np.array([egg.label for egg in eggs])
            np.savez(truth, boxes=boxes, labels=labels)
            began = time.monotonic()
            write_slide(slide, args.side, eggs)
            figures[f'{name}_slide_mb'] = round(slide.stat().st_size / 2**20)
            figures[f'{name}_write_seconds'] = round(time.monotonic() - began, 1)
            detections = in_process(slide, truth, tile, bundle)
            figures['um_a_pixel'] = round(detections['um'], 4)
            figures |= figures_of(name, detections, boxes, labels, args.side, tile, least)
    record('slide', figures, seeds=[SEED])


if __name__ == '__main__':
    cv2.setNumThreads(1)
    main()
