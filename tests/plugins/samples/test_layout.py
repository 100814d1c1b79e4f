"""Laws of the plan of species and of the places of eggs."""

from collections import Counter

import numpy as np
import pytest

from plugins.samples import layout
from plugins.samples.drawing import Drawing
from plugins.samples.layout import DEFAULT_COUNTS, MIN_VISIBLE, plan, populate
from plugins.samples.slide import Slide
from plugins.samples.species import KNOWN, SPECIES, UNKNOWN


def count(split: str, seed: int) -> tuple[dict[str, int], list[list[int]]]:
    eggs = plan(split, DEFAULT_COUNTS[split], np.random.default_rng(seed))
    counts = Counter(SPECIES[i].name for some in eggs for i in some)
    return counts, eggs


def test_240_images_8_species_and_two_unknown_ones():
    assert sum(DEFAULT_COUNTS.values()) == 240
    assert len(KNOWN) >= 6 and len(UNKNOWN) == 2 and len({s.name for s in SPECIES}) == len(SPECIES) >= 8


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_training_is_imbalanced_50_to_1_among_known_species(seed):
    counts, _ = count('train', seed)
    known = [counts[name] for name in KNOWN]
    assert max(known) == 50 * min(known) and min(known) >= 5


@pytest.mark.parametrize('split', ['val', 'test'])
def test_val_and_test_are_balanced_with_at_least_20_boxes_a_species(split):
    counts, _ = count(split, 0)
    assert set(counts) == {s.name for s in SPECIES}
    assert len(set(counts.values())) == 1 and min(counts.values()) >= 20


@pytest.mark.parametrize('split', DEFAULT_COUNTS)
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_3_to_8_eggs_an_image_and_unknown_ones_on_a_third_of_the_images(split, seed):
    _, eggs = count(split, seed)
    assert all(3 <= len(some) <= 8 for some in eggs)
    with_unknown = sum(any(not SPECIES[i].known for i in some) for some in eggs)
    assert 0 < with_unknown <= len(eggs) / 3


def test_boxes_are_the_bounds_of_the_visible_silhouettes(monkeypatch):
    """Oracle: each silhouette is painted into its own empty field and its bounds are searched there."""
    painted = []

    def watch(self, drawing: Drawing, left: int, top: int, egg: bool = False):
        if egg:
            height, width = drawing.silhouette.shape
            room = max(height, width)
            field = np.zeros((self.width + 2 * room,) * 2, bool)
            field[top + room : top + room + height, left + room : left + room + width] = drawing.silhouette
            visible = field[room:-room, room:-room]
            painted.append((visible, np.count_nonzero(drawing.silhouette)))
        add(self, drawing, left, top, egg)

    add = Slide.add
    monkeypatch.setattr(Slide, 'add', watch)
    monkeypatch.setattr(layout, 'DEBRIS', ())
    monkeypatch.setattr(layout, 'CUT_OFF', 0.5)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        painted.clear()
        labels = populate(Slide(160, rng), list(range(len(SPECIES))), rng)
        assert len(labels) == len(painted) == len(SPECIES)
        for label, (visible, whole) in zip(labels, painted, strict=True):
            rows, columns = np.nonzero(visible)
            x, y, width, height = (2 * v for v in label.box)  # slides are drawn at twice the size
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            assert label.area * 4 == len(rows) >= MIN_VISIBLE * whole


def test_eggs_may_be_cut_off_by_the_border_and_may_touch():
    cut = touching = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        labels = populate(Slide(96, rng), [0, 1, 2, 3, 5], rng)
        for i, a in enumerate(labels):
            x, y, width, height = a.box
            cut += x == 0 or y == 0 or x + width == 96 or y + height == 96
            touching += any(
                abs(x + width / 2 - b.box[0] - b.box[2] / 2) < (width + b.box[2]) / 2
                and abs(y + height / 2 - b.box[1] - b.box[3] / 2) < (height + b.box[3]) / 2
                for b in labels[:i]
            )
    assert cut > 3 and touching > 3
