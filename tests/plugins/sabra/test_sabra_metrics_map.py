"""Mean average precision of relations: by a plain loop over the definition, and by hand."""

import numpy as np
import pytest
import sabra_metric_cases as cases
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import NAMES, iou, nothing, perfect, result_of, voc_area

from plugins.sabra.metrics.relation_map import relation_map
from plugins.sabra.relations import NO_OBJECT, relation_image

A, B, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (60, 60, 70, 70)


def random_case(seed: int, images: int = 5):
    return cases.random_case(seed, images, missing=True, unannotated=0.2)


def slow_map(images, results):
    figures = {}
    for predicate, name in enumerate(NAMES.predicates):
        predicted, total = [], 0
        for image, result in zip(images, results, strict=True):
            truth = sorted({tuple(row) for row in image.relations.tolist() if row[2] == predicate})
            truth.sort(key=lambda row: image.relations.tolist().index(list(row)))
            total += len(truth)
            rows = [
                (s, o, float(score))
                for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores, strict=True)
                if p == predicate
            ]
            taken = set()
            for s, o, score in sorted(rows, key=lambda row: -row[2]):
                largest, which = 0.0, None
                for k, (gs, go, _) in enumerate(truth):
                    ends = [(s, gs)] + ([(o, go)] if go >= 0 and o >= 0 else [])
                    if k in taken or (go < 0) != (o < 0) or any(result.labels[d] != image.labels[g] for d, g in ends):
                        continue
                    overlap = min(iou(result.boxes[d], image.boxes[g], 0) for d, g in ends)
                    if overlap >= 0.5 and overlap > largest:
                        largest, which = overlap, k
                taken.add(which)
                silent = any(
                    not image.annotated[n]
                    and image.labels[n] == result.labels[s]
                    and iou(result.boxes[s], box, 0) >= 0.5
                    for n, box in enumerate(image.boxes)
                )
                if which is not None or not silent:
                    predicted.append((score, which is not None))
        if total:
            figures[f'ap/{name}'] = voc_area([hit for _, hit in sorted(predicted, key=lambda row: -row[0])], total)
    return ({'map': sum(figures.values()) / len(figures)} if figures else {}) | figures


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_definition_in_loops(seed):
    _, images, results = random_case(seed)
    assert relation_map(images, results, NAMES) == pytest.approx(slow_map(images, results))


def test_random_cases_are_neither_empty_nor_perfect():
    values = [relation_map(*random_case(seed)[1:], NAMES).get('map', -1) for seed in range(40)]
    assert sum(0.02 < value < 0.98 for value in values) > 20


@given(seed=st.integers(0, 2**32 - 1))
def test_the_truth_is_perfect(seed):
    _, images, _ = random_case(seed)
    # objects far apart and of equal names, so that nothing else overlaps
    for image in images:
        image.boxes[:] = np.arange(len(image.boxes))[:, None] * 20 + [0, 0, 10, 10]
    assert set(relation_map(images, perfect(images), NAMES).values()) <= {1}


def one(relations=((0, 1, 0),), img_id=0, annotated=None):
    return relation_image(img_id, '', (99, 99), [A, B], [0, 1], relations, annotated)


def predicted(triplets, scores):
    return result_of([A, B, FAR], [0, 1, 0], triplets, scores)


def test_false_positives_in_images_without_relations_count():
    images = [one(), one((), 1)]
    right, wrong = predicted([(0, 1, 0)], [0.5]), predicted([(0, 1, 0)], [0.9])
    assert relation_map(images, [right, nothing()], NAMES) == {'map': 1, 'ap/on': 1}
    assert relation_map(images, [right, wrong], NAMES)['map'] == 1 / 2


def test_images_without_predictions_stay_in_the_denominator():
    assert relation_map([one(), one(img_id=1)], [predicted([(0, 1, 0)], [0.5]), nothing()], NAMES)['map'] == 1 / 2


def test_each_relation_is_found_once_and_counts_once():
    assert relation_map([one(((0, 1, 0), (0, 1, 0)))], [predicted([(0, 1, 0)], [0.5])], NAMES)['map'] == 1
    twice = predicted([(0, 1, 0), (0, 1, 0)], [0.5, 0.9])
    images = [one(), one(img_id=1)]
    assert relation_map(images, [twice, predicted([(0, 1, 0)], [0.1])], NAMES)['map'] == pytest.approx(1 / 2 + 1 / 3)


def test_corners_are_points():
    # 9 of 18 px with points; with the last pixel it would be 10 of 19
    image = relation_image(0, '', (99, 99), [(0, 0, 18, 10), B], [0, 1], [(0, 1, 0)])
    for right, expected in ((9, 1), (8.75, 0)):
        result = result_of([(0, 0, right, 10), B], [0, 1], [(0, 1, 0)], [1])
        assert relation_map([image], [result], NAMES)['map'] == expected


def test_a_missing_object_asks_for_none():
    image = one(((0, NO_OBJECT, 0),))
    assert relation_map([image], [predicted([(0, NO_OBJECT, 0)], [1])], NAMES)['map'] == 1
    assert relation_map([image], [predicted([(0, 1, 0)], [1])], NAMES)['map'] == 0
    assert relation_map([one()], [predicted([(0, NO_OBJECT, 0)], [1])], NAMES)['map'] == 0


def test_what_nobody_annotated_is_silent():
    rows, scores = [(0, 1, 0), (1, 0, 0), (2, 1, 0)], [0.5, 0.9, 0.1]
    assert relation_map([one(annotated=[True, False])], [predicted(rows, scores)], NAMES)['map'] == 1
    assert relation_map([one()], [predicted(rows, scores)], NAMES)['map'] == 1 / 2


def test_nothing_at_all():
    assert relation_map([], [], NAMES) == {} and relation_map([one(())], [nothing()], NAMES) == {}
