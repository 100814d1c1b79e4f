"""HICO-DET's zero-shot splits: on the official classes and training counts, with a planted leak."""

from dataclasses import replace

import numpy as np
import pytest

from detplug.errors import UserError
from plugins.sabra.data.hico_pairs import read_pair_lists
from plugins.sabra.data.hico_zero_shot import SPLITS, refuse_leakage, seen_only, unseen_classes
from plugins.sabra.metrics.hico import hico_map
from plugins.sabra.metrics.protocols import evaluate
from plugins.sabra.relations import RelationNames, RelationSet, relation_image, truth_as_result


@pytest.fixture(scope='module')
def test_set(real_data) -> RelationSet:
    return read_pair_lists(real_data('hico') / 'instances_test2015.json')


def test_the_splits_are_the_published_ones(test_set, real_data):
    names, counts = test_set.names, np.load(real_data('hico') / 'num_inst.npy')
    unseen = {split: unseen_classes(names, split) for split in SPLITS}
    assert {split: int(mask.sum()) for split, mask in unseen.items()} == {
        'rf-uc': 120, 'nf-uc': 120, 'uo': 100, 'uv': 84,
    }  # fmt: skip
    thing, verb = names.triplets.T
    assert len(set(thing[unseen['uo']])) == 12 and not set(thing[unseen['uo']]) & set(thing[~unseen['uo']])
    assert len(set(verb[unseen['uv']])) == 20 and not set(verb[unseen['uv']]) & set(verb[~unseen['uv']])
    for split in ('rf-uc', 'nf-uc'):  # every object and verb is seen in another class
        for column in (thing, verb):
            assert set(column[unseen[split]]) <= set(column[~unseen[split]])
    assert counts[unseen['rf-uc']].max() < 10 and counts[unseen['nf-uc']].min() >= 226


def test_other_classes_or_another_order_are_refused(test_set):
    names = test_set.names
    for other in (
        replace(names, triplets=names.triplets[::-1]),
        replace(names, triplets=names.triplets[:599]),
        replace(names, triplets=None),
    ):
        with pytest.raises(UserError, match="not HICO-DET's 600 in the official order"):
            unseen_classes(other, 'rf-uc')
    with pytest.raises(UserError, match='zero-shot split: uc: not known; one of rf-uc'):
        unseen_classes(names, 'uc')


def test_figures_of_seen_and_unseen_classes(test_set):
    images, names = test_set.images[:400], test_set.names
    results = [truth_as_result(image) for image in images]
    unseen = unseen_classes(names, 'uv')
    for result in results:  # a model that never predicts an unseen verb
        kept = ~np.isin(result.triplets[:, 2], np.unique(names.triplets[unseen, 1]))
        result.triplets, result.triplet_scores = result.triplets[kept], result.triplet_scores[kept]
    figures = evaluate('hico', images, results, names, dict(zero_shot='uv'))
    assert figures == hico_map(images, results, names, unseen=unseen)
    assert figures['map_unseen'] == 0 and figures['map_seen'] == 1 and 0 < figures['map_full'] < 1


def test_training_without_unseen_classes(test_set):
    names, unseen = test_set.names, unseen_classes(test_set.names, 'rf-uc')
    data = RelationSet(names, test_set.images[:2000])
    with pytest.raises(UserError, match='train.json: relations: .* unseen classes'):
        refuse_leakage(data.images, names, unseen, 'train.json')
    clean = seen_only(data, unseen)
    refuse_leakage(clean.images, names, unseen, 'train.json')
    assert len(clean.images) == 2000
    lost = sum(len(image.relations) for image in data.images) - sum(len(image.relations) for image in clean.images)
    assert 0 < lost < 500


def test_a_pair_with_an_unseen_class_loses_its_other_relations():
    names = RelationNames(('person', 'cup'), ('hold', 'see'), np.array([(1, 0), (1, 1)]))
    boxes = [(0, 0, 9, 9), (9, 9, 20, 20), (30, 30, 40, 40)]
    image = relation_image(1, '', (50, 50), boxes, [0, 1, 1], [(0, 1, 0), (0, 1, 1), (0, 2, 1), (0, -1, 0)])
    clean = seen_only(RelationSet(names, [image]), np.array([True, False]))
    assert clean.images[0].relations.tolist() == [[0, 2, 1], [0, -1, 0]]
