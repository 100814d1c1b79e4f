"""Recalls of scene graphs: by a plain loop over the scripts' rules, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import NAMES, iou, nothing, perfect, random_case, result_of

from plugins.sabra.metrics.scene_graph import scene_graph_recall
from plugins.sabra.relations import relation_image

TRAIN = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 1)])  # subject, object, predicate
A, B = (0, 0, 9, 9), (20, 0, 29, 9)
TOPS = (2, 5)


def slow_recalled(image, result, top, one_predicate, extra):
    """Rows of the truth that one of the first ``top`` predictions finds."""
    rows = sorted(zip(result.triplets.tolist(), result.triplet_scores.tolist(), strict=True), key=lambda row: -row[1])
    pairs, chosen = set(), []
    for (s, o, p), _ in rows:
        if not (one_predicate and (s, o) in pairs):
            chosen.append((s, o, p))
        pairs.add((s, o))
    found = set()
    for s, o, p in chosen[:top]:
        for k, (gs, go, gp) in enumerate(image.relations.tolist()):
            same = (result.labels[s], p, result.labels[o]) == (image.labels[gs], gp, image.labels[go])
            near = [iou(result.boxes[a], image.boxes[b], extra) >= 0.5 for a, b in ((s, gs), (o, go))]
            if same and all(near):
                found.add(k)
    return found


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def share(found, chosen):
    return len(found & chosen) / len(chosen) if chosen else None


def slow_figures(images, results, extra=1, train=None, tops=TOPS):
    known = {tuple(row) for row in ([] if train is None else train.tolist())}
    figures = {}
    for prefix, one_predicate in (('', True), ('ng_', False)):
        for top in tops:
            found = [
                slow_recalled(image, result, top, one_predicate, extra)
                for image, result in zip(images, results, strict=True)
            ]
            rows = [set(range(len(image.relations))) for image in images]
            total = sum(map(len, rows))
            figures[f'{prefix}r{top}'] = mean(share(*pair) for pair in zip(found, rows, strict=True))
            figures[f'{prefix}micro_r{top}'] = sum(map(len, found)) / total if total else None
            by_predicate = []
            for predicate in range(3):
                of = [{k for k, row in enumerate(image.relations) if row[2] == predicate} for image in images]
                by_predicate.append(mean(share(*pair) for pair in zip(found, of, strict=True)))
            figures[f'{prefix}mr{top}'] = mean(by_predicate)
            new = [
                {
                    k
                    for k, (s, o, p) in enumerate(image.relations.tolist())
                    if train is not None and (image.labels[s], image.labels[o], p) not in known
                }
                for image in images
            ]
            figures[f'{prefix}zs_r{top}'] = mean(share(*pair) for pair in zip(found, new, strict=True))
    return {name: value for name, value in figures.items() if value is not None}


@given(seed=st.integers(0, 2**32 - 1), pixel=st.sampled_from([0, 1]), train=st.sampled_from([None, TRAIN]))
def test_equals_the_rules_in_loops(seed, pixel, train):
    _, images, results = random_case(seed)
    figures = scene_graph_recall(images, results, NAMES, TOPS, train, pixel)
    assert figures == pytest.approx(slow_figures(images, results, pixel, train))


def test_random_cases_tell_the_figures_apart():
    figures = [scene_graph_recall(*random_case(seed)[1:], NAMES, TOPS, TRAIN) for seed in range(60)]
    pairs = (('r2', 'r5'), ('r5', 'ng_r5'), ('r5', 'micro_r5'), ('r5', 'mr5'), ('r5', 'zs_r5'), ('mr5', 'ng_mr5'))
    for one, other in pairs:
        assert sum(x[one] != x[other] for x in figures if one in x and other in x) > 10, (one, other)
    pixels = [scene_graph_recall(*random_case(seed)[1:], NAMES, TOPS, pixel=0) for seed in range(60)]
    assert sum(x['r5'] != y['r5'] for x, y in zip(figures, pixels, strict=True) if 'r5' in x) > 5


def test_blocks_of_images_change_nothing():
    _, images, results = random_case(0, 70)  # more than a block
    found = scene_graph_recall(images, results, NAMES, TOPS, TRAIN)
    assert found == pytest.approx(slow_figures(images, results, 1, TRAIN))


def image_of(relations, img_id=0):
    return relation_image(img_id, '', (99, 99), (A, B), (0, 1), relations)


def test_one_prediction_finds_a_relation_that_is_annotated_twice():
    images = [image_of([(0, 1, 0), (0, 1, 0)])]
    assert scene_graph_recall(images, perfect(images), NAMES)['r20'] == 1


def test_an_image_without_predictions_counts_and_one_without_relations_does_not():
    images = [image_of([(0, 1, 0)]), image_of([(0, 1, 0)], 1), image_of([], 2)]
    figures = scene_graph_recall(images, [perfect(images[:1])[0], nothing(), nothing()], NAMES)
    assert figures['r20'] == figures['mr20'] == figures['micro_r20'] == 1 / 2


def test_macro_and_micro_are_named():
    images = [image_of([(0, 1, 0)]), image_of([(0, 1, 0), (0, 1, 1), (1, 0, 2)], 1)]
    figures = scene_graph_recall(images, [result_of([A, B], [0, 1], [(0, 1, 0)], [1])] * 2, NAMES, by_class=True)
    assert figures['r20'] == pytest.approx((1 + 1 / 3) / 2) and figures['micro_r20'] == 2 / 4
    assert figures['mr20'] == pytest.approx((1 + 0 + 0) / 3)
    assert [figures[f'recall_r100/{name}'] for name in NAMES.predicates] == [1, 0, 0]


def test_no_truth_has_no_figures():
    assert scene_graph_recall([], [], NAMES) == scene_graph_recall([image_of([])], [nothing()], NAMES) == {}
