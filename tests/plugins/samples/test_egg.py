"""Laws of a drawn egg: its size, its silhouette, and that species differ by more than colour."""

import cv2
import numpy as np
import pytest

from plugins.samples.contents import DRAWERS
from plugins.samples.debris import DEBRIS
from plugins.samples.drawing import OVERSAMPLING, Drawing, Optics
from plugins.samples.egg import draw_egg
from plugins.samples.species import SPECIES
from plugins.samples.texture import grain

OPTICS = Optics(um=1.4)


def full_size(drawing: Drawing) -> np.ndarray:
    """Density at the size of the silhouette, which is drawn oversampled."""
    return np.kron(drawing.pigment + drawing.grey, np.ones((OVERSAMPLING, OVERSAMPLING), np.float32))


@pytest.mark.parametrize('species', SPECIES, ids=lambda s: s.name)
def test_the_silhouette_has_the_size_of_the_species(species):
    """Oracle: OpenCV's rotated rectangle round the silhouette, against the table in um."""
    points = np.argwhere(draw_egg(species, OPTICS, np.random.default_rng(1)).silhouette)[:, ::-1].astype(np.float32)
    sides = sorted(side / OPTICS.um for side in cv2.minAreaRect(points)[1])
    shape = species.outline
    extra = 2 * shape.plug_um + shape.spine_um + shape.knob_um + 2 * shape.bump_um + 2 * shape.shoulder_um + 3
    margin = 3 * species.spread
    assert species.width_um * (1 - margin) - 3 <= sides[0] <= species.width_um * (1 + margin) + extra
    assert species.length_um * (1 - margin) - 3 <= sides[1] <= species.length_um * (1 + margin) + extra


@pytest.mark.parametrize('species', SPECIES, ids=lambda s: s.name)
def test_an_egg_is_darker_than_its_surroundings_and_whole(species):
    drawing = draw_egg(species, OPTICS, np.random.default_rng(2))
    inside, outside = drawing.silhouette, ~drawing.silhouette
    density = full_size(drawing)
    assert density.dtype == np.float32 and np.isfinite(density).all()
    assert density[inside].mean() > density[outside].mean() + 0.05
    assert not (inside[[0, -1]].any() or inside[:, [0, -1]].any())  # the patch holds all of it
    assert cv2.connectedComponents(inside.astype(np.uint8))[0] == 2  # one piece, and the background


def test_species_differ_without_colour():
    """Sorted by (length, width, mean density, roughness), no two species are alike within 12 %."""
    features = []
    for species in SPECIES:
        drawing = draw_egg(species, OPTICS, np.random.default_rng(3))
        density = full_size(drawing)[drawing.silhouette]
        features.append((species.length_um, species.width_um, 60 * density.mean(), 60 * density.std()))
    logs = np.log(features)
    distance = np.abs(logs[:, None] - logs[None]).max(-1) + 9 * np.eye(len(SPECIES))
    assert distance.min() > 0.12


def test_every_kind_of_contents_is_drawn_and_used():
    assert {s.contents for s in SPECIES} == set(DRAWERS)


@pytest.mark.parametrize('drawer', [d[0] for d in DEBRIS], ids=lambda d: d.__name__)
def test_debris_is_finite_and_seeded(drawer):
    first, again = (drawer(OPTICS, np.random.default_rng(4)) for _ in range(2))
    assert np.isfinite(first.pigment).all() and np.isfinite(first.grey).all()
    assert full_size(first).shape == first.silhouette.shape
    np.testing.assert_array_equal(first.grey, again.grey)


@pytest.mark.parametrize('sigma', [0.5, 1.3, 4.0])
def test_grain_has_mean_0_and_variance_about_1(sigma):
    rng = np.random.default_rng(6)
    pieces = np.stack([grain(rng, (200, 150), sigma) for _ in range(20)])
    assert pieces.shape == (20, 200, 150) and abs(pieces.mean()) < 0.25
    assert 0.6 < pieces.std() < 1.5
