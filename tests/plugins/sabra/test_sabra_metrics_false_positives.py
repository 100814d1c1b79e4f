"""False positives at a recall: by a plain loop over the rules, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import nothing, result_of
from test_sabra_metrics_vrd import FAR, A, B, image_of, random_case, slow_best, slow_hits

from detplug.errors import UserError
from plugins.sabra.metrics.vrd import false_positives_at_recall
from plugins.sabra.relations import relation_image


@given(seed=st.integers(0, 2**32 - 1), recall=st.sampled_from([0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9]))
def test_false_positives_equal_the_rules_in_loops(seed, recall):
    rng, images, results = random_case(seed)
    kinds = [pair_kinds(rng, result) for result in results]
    rows = []
    for image, result, kind in zip(images, results, kinds, strict=True):
        best = [row for row in slow_best(result, 1, None) if kind_of(result, kind, row) >= 0]
        hits = slow_hits(image, result, best)
        rows += [(row[3], hit, kind_of(result, kind, row)) for row, hit in zip(best, hits, strict=True)]
    rows.sort(key=lambda row: -row[0])
    total = sum(len(image.relations) for image in images)
    expected = None
    for n in range(len(rows) + 1):
        if sum(hit for _, hit, _ in rows[:n]) / max(total, 1) >= recall:
            wrong = [kind for _, hit, kind in rows[:n] if not hit]
            expected = {'false_positives': len(wrong), 'positive': wrong.count(0), 'predictions': n}
            expected |= {f'n{kind}': wrong.count(kind) for kind in range(1, 6)}
            break
    assert false_positives_at_recall(images, results, recall, kinds) == expected


def pair_kinds(rng, result):
    """(T,) a random kind, -1 to 5, of each triplet; the same for all of a pair."""
    table = rng.integers(-1, 6, (len(result.boxes) + 1, len(result.boxes) + 1))
    return table[result.triplets[:, 0], result.triplets[:, 1]]


def kind_of(result, kinds, row):
    return next(k for k, pair in zip(kinds, result.triplets.tolist(), strict=True) if tuple(pair[:2]) == row[:2])


def test_false_positives_by_hand():
    image = image_of([(0, 1, 0), (1, 0, 0)])
    result = result_of(
        [A, B, FAR],
        [0, 1, 0],
        [(0, 2, 0), (0, 1, 0), (0, 1, 2), (2, 1, 0), (1, 0, 0), (2, 0, 1)],
        [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
    )
    kinds = [np.array([2, 0, 0, 3, 0, 4])]
    empty = relation_image(1, '', (99, 99), [], [], [])
    elsewhere = result_of([A, B], [0, 1], [(0, 1, 0)], [0.55])  # an image without relations
    half = false_positives_at_recall([image, empty], [result, elsewhere], 0.5, [*kinds, np.array([1])])
    assert half == dict(false_positives=1, positive=0, n1=0, n2=1, n3=0, n4=0, n5=0, predictions=2)
    whole = false_positives_at_recall([image, empty], [result, elsewhere], 1, [*kinds, np.array([1])])
    assert whole == dict(false_positives=3, positive=0, n1=1, n2=1, n3=1, n4=0, n5=0, predictions=5)
    assert false_positives_at_recall([image], [nothing()], 0.5, [np.zeros(0, int)]) is None
    for wrong in (np.zeros(3, int), np.full(6, 6)):
        with pytest.raises(UserError, match='image 0: kinds: .* for 6 triplets'):
            false_positives_at_recall([image], [result], 0.5, [wrong])
