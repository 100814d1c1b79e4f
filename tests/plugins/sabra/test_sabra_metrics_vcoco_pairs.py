"""Pairs of object and action that the training of V-COCO has: others can be left out."""

import pytest
from sabra_metric_cases import result_of
from test_sabra_metrics_vcoco import HOLD, NAMES, STAND, A, B, C

from detplug.errors import UserError
from plugins.sabra.data.relation_file import write_relations
from plugins.sabra.data.vcoco import read_split
from plugins.sabra.data.vcoco_names import seen_pairs
from plugins.sabra.metrics.protocols import evaluate
from plugins.sabra.relations import NO_OBJECT, RelationNames, RelationSet, relation_image


def test_pairs_of_object_and_action_that_the_training_lacks_are_left_out(tmp_path):
    """Planted: a wrong prediction with the best score, of an object that nobody holds in the training."""
    cup, dog = NAMES.objects.index('cup'), NAMES.objects.index('dog')
    image = relation_image(1, '1.jpg', (99, 99), (A, B, C), (0, cup, dog), [(0, 1, HOLD), (0, NO_OBJECT, STAND)])
    rows = [(0, 2, HOLD), (0, 1, HOLD), (0, NO_OBJECT, STAND)]
    results = [result_of([A, B, C], [0, cup, dog], rows, [0.9, 0.8, 0.7])]
    path = tmp_path / 'train.json'
    path.write_text(write_relations(RelationSet(NAMES, [image])))
    figures = [evaluate('vcoco', [image], results, NAMES, options) for options in ({}, dict(pairs_of=path))]
    assert [x['s1/hold obj'] for x in figures] == [1 / 2, 1]
    assert all(x['agent/stand'] == 1 for x in figures)  # without an object nothing is left out
    other = tmp_path / 'other.json'
    other.write_text(write_relations(RelationSet(RelationNames(NAMES.objects, NAMES.predicates[:9]), [])))
    with pytest.raises(UserError, match='other.json'):
        evaluate('vcoco', [image], results, NAMES, dict(pairs_of=other))


def test_pairs_of_the_real_training_set(real_data):
    train, val = (read_split(real_data('vcoco'), split) for split in ('train', 'val'))
    seen = seen_pairs(train)
    assert seen[:-1].sum() == 198 and seen[-1].all()
    rows = [(image.labels[o], p) for image in val.images for _, o, p in image.relations.tolist() if o >= 0]
    assert sum(not seen[row] for row in rows) == 51 and len(rows) == 7430
