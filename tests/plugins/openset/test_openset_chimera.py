"""Chimeras: half one object, half another; how many are drawn, and what they are called."""

import numpy as np
import pytest

from detplug.errors import UserError
from plugins.openset.cce import Crop, ForegroundLibrary
from plugins.openset.cce.chimera import SHARE, chimera, soft_mask


def disc(value: int, label: int, side: int = 30, source: str = 'gt') -> Crop:
    """A bright square object on black, 20 px of 30."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[5:-5, 5:-5] = value
    return Crop(pixels, np.array([5, 5, side - 5, side - 5], np.float32), label, source)


@pytest.mark.parametrize('seed', range(20))
def test_a_chimera_holds_a_share_of_both(seed):
    made = chimera(disc(100, 0), disc(200, 1), 2, np.random.default_rng(seed))
    inside = made.pixels[5:25, 5:25, 0].astype(int)  # the place of the first
    assert made.label == 2 and made.source == 'made' and (made.box <= (5, 5, 30, 30)).all()
    assert (np.abs(inside - 100) < 50).mean() > 0.2 and (inside > 150).mean() > 0.15
    mask = soft_mask((30, 30), np.array([5, 5, 25, 25.0]), np.ones((30, 30), bool), np.random.default_rng(seed))
    assert SHARE[0] - 0.1 < mask[5:25, 5:25].mean() < SHARE[1] + 0.1 and 0 <= mask.min() < mask.max() <= 1


def test_a_blend_of_an_object_with_itself_is_an_object_of_its_class():
    made = chimera(disc(150, 1), disc(150, 1), 1, np.random.default_rng(0))
    x1, y1, x2, y2 = made.box.round().astype(int)
    assert made.label == 1 and (made.pixels[y1:y2, x1:x2] >= 140).mean() > 0.5  # a turned twin may stand out


def library(**kwargs) -> ForegroundLibrary:
    found = ForegroundLibrary(3, **kwargs)
    found.add([disc(60, 0), disc(120, 1), disc(240, 2)])
    found.start([10, 10, 10], 10)
    return found


@pytest.mark.parametrize('share', [0.0, 0.25, 0.5])
def test_as_many_blends_of_one_class_as_chimeras(share):
    drawn = library(chimeras=share).draw(800, np.random.default_rng(0))
    made = [crop for crop in drawn if crop.source == 'made']
    unknown = sum(crop.label == 3 for crop in made)
    assert unknown / 800 == pytest.approx(share, abs=0.05) and (len(made) - unknown) / 800 == pytest.approx(
        share, abs=0.05
    )
    assert all(crop.source == 'made' for crop in drawn if crop.label == 3)


def test_nothing_is_made_of_one_class_alone_or_of_an_unknown_object():
    alone = ForegroundLibrary(3, chimeras=0.5)
    alone.add([disc(60, 0)])
    alone.start([5, 0, 0], 5)
    assert {crop.label for crop in alone.draw(50, np.random.default_rng(0))} == {0}
    both = library(chimeras=0.5, unknown=True)
    both.add([disc(250, 3, source='pseudo')])
    both.observe([0, 0, 0, 1], 10)
    assert {crop.source for crop in both.draw(300, np.random.default_rng(0)) if crop.label == 3} == {'made', 'pseudo'}
    with pytest.raises(UserError, match='chimeras: 0.7'):
        library(chimeras=0.7)
