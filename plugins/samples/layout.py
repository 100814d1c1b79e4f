"""Which species lie on which image, and where: exact class counts by construction.

Every image holds 3 to 8 eggs (more where a handful of images must show every species). Unknown species lie on one
image in three, so that the others make a closed-set split. Each split and image has its own random stream, so image k
does not depend on its neighbours.
"""

from dataclasses import dataclass

import numpy as np

from plugins.samples.debris import DEBRIS
from plugins.samples.drawing import OVERSAMPLING
from plugins.samples.egg import draw_egg
from plugins.samples.slide import Slide
from plugins.samples.species import SPECIES

DEFAULT_COUNTS = {'train': 140, 'val': 50, 'test': 50}  # images
MIN_EGGS, MAX_EGGS = 3, 8
BALANCED_BOXES = 22  # boxes a class in val and test of default size
MIN_VISIBLE = 0.25  # smallest visible share of an egg cut off by the border; no egg is placed below it
TOUCHING, CUT_OFF = 0.22, 0.10  # shares of eggs
MAX_OVERLAP = 0.10  # of a touching egg's silhouette


@dataclass(frozen=True)
class Label:
    """species: index into SPECIES; box: x, y, width, height of the visible part in pixels; area: px^2, visible."""

    species: int
    box: tuple[float, float, float, float]
    area: float


def plan(split: str, images: int, rng: np.random.Generator) -> list[list[int]]:
    """Species indices for each image of a split; class counts scale with ``images`` and are exact."""
    share = images / DEFAULT_COUNTS[split]
    boxes = [max(1, round((s.train_boxes if split == 'train' else BALANCED_BOXES) * share)) for s in SPECIES]
    order = rng.permutation(images)
    open_images = order[: max(1, images // 3)]
    eggs = [[] for _ in range(images)]
    for known in (False, True):
        some = [i for i, s in enumerate(SPECIES) if s.known == known for _ in range(boxes[i])]
        where = order if known else open_images
        for species in rng.permutation(some):
            fewest = [k for k in where if len(eggs[k]) < MIN_EGGS] if known else []
            free = fewest or [k for k in where if len(eggs[k]) < MAX_EGGS] or list(where)
            eggs[int(rng.choice(free))].append(int(species))
    return eggs


def populate(slide: Slide, eggs: list[int], rng: np.random.Generator) -> list[Label]:
    """Draw the eggs, then debris, on the slide; the labels of all eggs, largest species first."""
    labels = []
    for species in sorted(eggs, key=lambda i: -SPECIES[i].length_um):
        drawing = draw_egg(SPECIES[species], slide.optics, rng)
        left, top = _egg_position(slide, drawing.silhouette, rng)
        labels.append(_label(slide, drawing.silhouette, species, left, top))
        slide.add(drawing, left, top, egg=True)
    for drawer, mean, tries in DEBRIS:
        for _ in range(rng.poisson(mean)):
            drawing = drawer(slide.optics, rng)
            half = np.array(drawing.silhouette.shape[::-1]) // 2
            spots = _on_pixels(rng.integers(-half, slide.width - half, (tries, 2)))
            covered = [slide.overlap(drawing.silhouette, *spot)[1] for spot in spots]
            slide.add(drawing, *spots[int(np.argmin(covered))])
    return labels


def _egg_position(slide: Slide, silhouette: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Upper left corner of the patch of an egg: free, touching another egg, or cut off by the border."""
    reach = np.array(silhouette.shape[::-1])
    spots = rng.integers(0, np.maximum(slide.width - reach, 1), (40, 2))
    kind = rng.random()
    if kind < CUT_OFF:
        axis, beyond = int(rng.integers(2)), rng.integers(2)
        over = rng.integers(reach[axis] // 6, reach[axis] * 2 // 3, len(spots))
        spots[:, axis] = slide.width - reach[axis] + over if beyond else -over
    elif kind < CUT_OFF + TOUCHING and slide.eggs:
        neighbour = slide.eggs[int(rng.integers(len(slide.eggs)))]
        angle = rng.uniform(0, 2 * np.pi)
        steps = np.linspace(0.1, 1.6, 40)[:, None] * reach.max()
        near = neighbour + steps * (np.cos(angle), np.sin(angle)) - reach / 2
        spots = np.concatenate([np.clip(near, 0, slide.width - reach).astype(int), spots])
    return _first_good(slide, silhouette, _on_pixels(spots))


def _on_pixels(spots: np.ndarray) -> list[list[int]]:
    """Positions moved to whole pixels of the picture."""
    return (spots // OVERSAMPLING * OVERSAMPLING).tolist()


def _first_good(slide: Slide, silhouette: np.ndarray, spots: list[list[int]]) -> tuple[int, int]:
    """The first position that covers little and shows enough; else, of those that show enough, the least covered."""
    total = np.count_nonzero(silhouette)
    crowded = []
    for left, top in spots:
        visible, covered = slide.overlap(silhouette, left, top)
        if visible < MIN_VISIBLE * total:
            continue
        if covered <= MAX_OVERLAP * total:
            return left, top
        crowded.append((covered, left, top))
    if crowded:
        return min(crowded)[1:]
    height, width = silhouette.shape
    return tuple(_on_pixels(np.array([slide.width - width, slide.width - height]) // 2))


def _label(slide: Slide, silhouette: np.ndarray, species: int, left: int, top: int) -> Label:
    inside, window = slide.windows(silhouette.shape, left, top)
    seen = silhouette[inside]
    rows, columns = np.flatnonzero(seen.any(1)) + window[0].start, np.flatnonzero(seen.any(0)) + window[1].start
    x, y = columns[0] / OVERSAMPLING, rows[0] / OVERSAMPLING
    box = (x, y, (columns[-1] + 1) / OVERSAMPLING - x, (rows[-1] + 1) / OVERSAMPLING - y)
    return Label(species, tuple(float(v) for v in box), np.count_nonzero(seen) / OVERSAMPLING**2)
