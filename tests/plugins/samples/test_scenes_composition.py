"""Laws of composed scenes: labels follow from the geometry, boxes are what is drawn, enough of everything is seen."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from plugins.samples.scene.acts import KINDS, OWN, Act, alone, compose
from plugins.samples.scene.composition import MIN_VISIBLE, make_scene
from plugins.samples.scene.layout import Figure
from plugins.samples.scene.parts import OVERSAMPLING, Canvas, Placement
from plugins.samples.scene.photo import photograph
from plugins.samples.scene.plan import BALANCED, DEFAULT_COUNTS, TRAIN, plan
from plugins.samples.scene.verbs import Person, verbs_of

SIZE = 320
GREEN, MAGENTA = (0, 255, 0), (255, 0, 255)
VISIBLE = 0.3  # of a pixel; contours, which are darker, change by 0.42 at most, soft edges by less


@pytest.fixture(scope='module')
def made():
    """(plan, scene) of some images of each split."""
    found = []
    for number, split in enumerate(DEFAULT_COUNTS):
        plans = plan(split, DEFAULT_COUNTS[split], np.random.default_rng(number))[:6]
        found += [(p, make_scene(p, SIZE, np.random.default_rng([number, i]))) for i, p in enumerate(plans)]
    return found


def changed_pixels(layers: list, i: int) -> np.ndarray:
    """(S, S) bool: pixels that change clearly with the colour of thing i."""
    pictures = []
    for colour in (GREEN, MAGENTA):
        canvas = Canvas(np.full((OVERSAMPLING * SIZE,) * 2 + (3,), 128, np.uint8), (OVERSAMPLING * SIZE,) * 2)
        for owner, parts in layers:
            canvas.paint([replace(part, colour=colour) for part in parts] if owner == i else parts)
        pictures.append(canvas.rgb)
    return np.abs(pictures[0].astype(np.int16) - pictures[1]).max(2) > 255 * VISIBLE


def extent(pixels: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(pixels)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / OVERSAMPLING


def test_every_pair_has_exactly_the_verbs_of_its_geometry(made):
    for _, scene in made:
        labels = {pair: set() for pair in np.ndindex(len(scene.things), len(scene.things))}
        for person, thing, verb in scene.relations:
            labels[person, thing].add(verb)
        assert len(scene.relations) == sum(map(len, labels.values()))
        for (i, j), verbs in labels.items():
            if i != j and isinstance(scene.things[i], Person):
                assert verbs_of(scene.things[i], scene.things[j]) == verbs
            else:
                assert not verbs


def test_a_scene_shows_exactly_what_was_planned(made):
    for planned, scene in made:
        verbs = Counter(act.verb for act in planned.acts if act.verb)
        verbs['look at'] = sum(act.looks is not None for act in planned.acts)
        assert Counter(verb for *_, verb in scene.relations) == +verbs
        assert Counter(t.kind for t in scene.things) == Counter([*planned.objects, *['person'] * len(planned.acts)])


def test_nobody_looks_at_two_things(made):
    for _, scene in made:
        lookers = [person for person, _, verb in scene.relations if verb == 'look at']
        assert len(set(lookers)) == len(lookers)


def test_boxes_and_areas_are_those_of_the_pixels_that_are_seen(made):
    """Oracle: repaint a thing in another colour and see which pixels change."""
    for _, scene in made[::3]:
        for i, box in enumerate(scene.boxes):
            seen = changed_pixels(scene.layers, i)
            assert np.abs(extent(seen) - box).max() <= 2
            inner = cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            outline = np.count_nonzero(seen & ~inner)  # half of these soft pixels may count or not
            assert abs(scene.areas[i] * OVERSAMPLING**2 - np.count_nonzero(seen)) <= outline / 2


def test_enough_of_everything_is_seen_and_whole_boxes_are_those_of_a_thing_alone(made):
    """Oracle: the thing painted alone on an empty canvas."""
    for _, scene in made[::3]:
        assert (scene.boxes >= 0).all() and (scene.boxes <= SIZE).all()
        for i, thing in enumerate(scene.things):
            whole = changed_pixels([layer for layer in scene.layers if layer[0] == i], i)
            assert np.abs(extent(whole) - thing.box).max() <= 2
            assert scene.areas[i] >= 0.97 * MIN_VISIBLE * np.count_nonzero(whole) / OVERSAMPLING**2


def test_persons_of_several_heights_and_both_sides(made):
    people = [thing for _, scene in made for thing in scene.things if isinstance(thing, Person)]
    heights = [p.height for p in people]
    assert 80 <= min(heights) < 110 and 150 < max(heights) <= 200
    sides = {np.sign(p.gaze[0]) for p in people if p.gaze is not None}
    assert sides == {-1, 1} and any(p.gaze is None for p in people)


@pytest.mark.parametrize('verb, kind', sorted({act[:2] for shares in (TRAIN, BALANCED) for act in shares.acts}))
def test_every_act_is_clear_from_its_own_geometry(verb, kind):
    """The pose and the thing of an act show its verb and no other, with limits narrower and wider."""
    for seed in range(25):
        for looks in (None, OWN) if verb == 'hold' else (None,):
            unit = compose(Act(verb, kind, looks), np.random.default_rng(seed))
            things = Figure(unit, Placement(0.0, 0.0, 100.0, -1)).things
            for slack in (-0.2, 0.0, 0.5):
                assert verbs_of(things['person'], things['thing'], slack) == {verb}


@pytest.mark.parametrize('kind', KINDS)
def test_a_thing_that_nobody_uses_stands_on_the_ground(kind):
    for seed in range(5):
        thing = Figure(alone(kind, np.random.default_rng(seed)), Placement(0.0, 0.0, 100.0, 1)).things['thing']
        assert thing.kind == kind and abs(thing.box[3]) < 3


def test_a_picture_is_seeded_and_shows_the_things(made):
    _, scene = made[0]
    first, again, other = (photograph(scene, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (SIZE, SIZE, 3) and first.dtype == np.uint8 and (first != other).any()
    empty = photograph(replace(scene, layers=[]), np.random.default_rng(1))
    assert (np.abs(first.astype(int) - empty).max(2) > 20).sum() > 0.5 * scene.areas.sum()


def test_a_plan_without_any_clear_scene_ends(monkeypatch):
    planned = plan('val', 1, np.random.default_rng(0))[0]
    monkeypatch.setattr('plugins.samples.scene.composition.ROUNDS', 1)
    monkeypatch.setattr('plugins.samples.scene.composition.spread', lambda *_: None)
    with pytest.raises(RuntimeError, match='no clear scene'):
        make_scene(planned, SIZE, np.random.default_rng(0))
