"""Laws of the plan: exact counts, imbalanced in training, balanced in val and test."""

from collections import Counter

import numpy as np
import pytest

from plugins.samples.scene.acts import KINDS, OTHER, OWN
from plugins.samples.scene.plan import DEFAULT_COUNTS, ImagePlan, plan
from plugins.samples.scene.verbs import VERBS


def count(plans: list[ImagePlan]) -> tuple[Counter, Counter]:
    acts = [act for image in plans for act in image.acts]
    verbs = Counter(act.verb for act in acts if act.verb) + Counter('look at' for act in acts if act.looks)
    return verbs, Counter(kind for image in plans for kind in image.objects)


def make(split: str, seed: int) -> list[ImagePlan]:
    return plan(split, DEFAULT_COUNTS[split], np.random.default_rng(seed))


def test_300_images():
    assert DEFAULT_COUNTS == {'train': 180, 'val': 60, 'test': 60}


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_training_is_imbalanced(seed):
    verbs, kinds = count(make('train', seed))
    assert set(verbs) == set(VERBS) and set(kinds) == set(KINDS)
    assert max(verbs.values()) == 5 * min(verbs.values()) and max(kinds.values()) == 4 * min(kinds.values())


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_val_and_test_are_balanced(split, seed):
    for counts in count(make(split, seed)):
        assert max(counts.values()) <= 1.5 * min(counts.values()) and min(counts.values()) >= 30
    verbs, kinds = count(make(split, seed))
    assert set(verbs) == set(VERBS) and set(kinds) == set(KINDS)


@pytest.mark.parametrize('split', DEFAULT_COUNTS)
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_2_to_4_persons_and_2_to_6_objects_an_image_of_every_number(split, seed):
    plans = make(split, seed)
    assert {len(image.acts) for image in plans} == {2, 3, 4}
    assert {len(image.objects) for image in plans} == {2, 3, 4, 5, 6}


@pytest.mark.parametrize('split', DEFAULT_COUNTS)
def test_persons_who_do_nothing_and_things_that_nobody_uses_are_common(split):
    plans = make(split, 0)
    idle = sum(act.verb is None and act.looks is None for image in plans for act in image.acts)
    assert idle >= 0.1 * sum(len(image.acts) for image in plans)
    assert sum(len(image.unused) for image in plans) >= 0.25 * sum(len(image.objects) for image in plans)


def test_only_what_is_in_a_hand_is_looked_at_as_own():
    acts = [act for split in DEFAULT_COUNTS for image in make(split, 0) for act in image.acts]
    assert {act.verb for act in acts if act.looks == OWN} == {'hold'}
    assert {act.verb for act in acts if act.looks == OTHER} == {None, 'ride', 'hold', 'sit on'}


@pytest.mark.parametrize('images', [1, 2, 7])
@pytest.mark.parametrize('split', DEFAULT_COUNTS)
def test_a_handful_of_images_shows_every_class_and_nearly_every_verb(split, images):
    verbs, kinds = count(plan(split, images, np.random.default_rng(0)))
    assert set(kinds) == set(KINDS) and set(verbs) >= {'ride', 'hold', 'carry', 'sit on'}
