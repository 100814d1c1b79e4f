"""OpenImages V6's score: by a plain loop over the script's rules, and by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import NAMES, best_precision_from, iou, nothing, perfect, random_case, result_of

from plugins.sabra.metrics.openimages import openimages_score
from plugins.sabra.relations import relation_image

A, B = (0, 0, 9, 9), (20, 0, 29, 9)


def union(a, b):
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def slow_rows(result):
    """(subject, object, predicate, score) of the predictions that count."""
    rows = sorted(
        ((*row, float(score)) for row, score in zip(result.triplets.tolist(), result.triplet_scores, strict=True)),
        key=lambda row: -row[3],
    )
    count, chosen = {}, []
    for row in rows:
        count[row[:2]] = count.get(row[:2], 0) + 1
        if count[row[:2]] <= 2:
            chosen.append(row)
    return [row for row in chosen[:100] if row[3] > 1e-5]


def overlap_of(image, result, row, relation, phrase):
    (s, o), (gs, go) = row[:2], relation[:2]
    if phrase:
        return iou(union(result.boxes[s], result.boxes[o]), union(image.boxes[gs], image.boxes[go]))
    return min(iou(result.boxes[s], image.boxes[gs]), iou(result.boxes[o], image.boxes[go]))


def same_labels(image, result, row, relation):
    s, o, p = row[:3]
    return (result.labels[s], result.labels[o], p) == (
        image.labels[relation[0]],
        image.labels[relation[1]],
        relation[2],
    )


def slow_ap(images, results, predicate, phrase):
    """(AP, relations of the truth) of a predicate."""
    total = sum(row[2] == predicate for image in images for row in image.relations.tolist())
    found = [(n, row) for n, result in enumerate(results) for row in slow_rows(result) if row[2] == predicate]
    taken, right = set(), []
    for n, row in sorted(found, key=lambda each: -each[1][3]):
        largest, which = 0.0, None
        for k, relation in enumerate(images[n].relations.tolist()):
            if same_labels(images[n], results[n], row, relation):
                overlap = overlap_of(images[n], results[n], row, relation, phrase)
                if overlap > largest:
                    largest, which = overlap, k
        right.append(largest > 0.5 and (n, which) not in taken)
        if right[-1]:
            taken.add((n, which))
    ap = sum(best_precision_from(right, k) for k, hit in enumerate(right) if hit) / total if total else None
    return ap, total


def slow_score(images, results):
    total = sum(len(image.relations) for image in images)
    if not total:
        return {}
    figures = {}
    for top in (50, 100):
        found = 0
        for image, result in zip(images, results, strict=True):
            found += len(
                {
                    k
                    for row in slow_rows(result)[:top]
                    for k, relation in enumerate(image.relations.tolist())
                    if same_labels(image, result, row, relation)
                    and overlap_of(image, result, row, relation, False) >= 0.5
                }
            )
        figures[f'r{top}'] = found / total
    for short, phrase in (('rel', False), ('phr', True)):
        pairs = [slow_ap(images, results, predicate, phrase) for predicate in range(3)]
        figures[f'wmap_{short}'] = sum((ap or 0) * count for ap, count in pairs) / total
        values = [ap for ap, _ in pairs if ap is not None]
        figures[f'map_{short}'] = sum(values) / len(values)
    figures['score'] = 0.2 * figures['r50'] + 0.4 * figures['wmap_rel'] + 0.4 * figures['wmap_phr']
    return figures


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_rules_in_loops(seed):
    _, images, results = random_case(seed)
    assert openimages_score(images, results, NAMES) == pytest.approx(slow_score(images, results))


def test_random_cases_tell_the_figures_apart():
    figures = [openimages_score(*random_case(seed)[1:], NAMES) for seed in range(60)]
    for one, other in (('wmap_rel', 'wmap_phr'), ('wmap_rel', 'map_rel'), ('r50', 'wmap_rel')):
        assert sum(x[one] != x[other] for x in figures if x) > 20, (one, other)


def test_blocks_of_images_change_nothing():
    _, images, results = random_case(1, 70)  # more than a block
    assert openimages_score(images, results, NAMES) == pytest.approx(slow_score(images, results))


def image_of(relations, img_id=0, boxes=(A, B)):
    return relation_image(img_id, '', (99, 99), boxes, (0, 1), relations)


def test_an_overlap_of_exactly_half_finds_a_relation_but_is_no_true_positive():
    half = (0, 0, 9, 4)  # 50 of 100 px
    assert iou(A, half) == 0.5
    figures = openimages_score([image_of([(0, 1, 0)])], [result_of([half, B], [0, 1], [(0, 1, 0)], [1])], NAMES)
    assert figures['r50'] == 1 and figures['wmap_rel'] == 0


def test_a_pair_keeps_two_predicates_and_scores_of_nothing_are_dropped():
    image = image_of([(0, 1, 2), (1, 0, 0)])
    result = result_of([A, B], [0, 1], [(0, 1, 0), (0, 1, 1), (0, 1, 2), (1, 0, 0)], [0.9, 0.8, 0.7, 1e-5])
    assert openimages_score([image], [result], NAMES)['r50'] == 0
    assert openimages_score([image], perfect([image]), NAMES)['score'] == pytest.approx(1)


def test_weights_are_the_relations_of_the_truth():
    images = [image_of([(0, 1, 0), (1, 0, 0), (0, 0, 0), (0, 1, 1)])]
    found = [result_of([A, B], [0, 1], [(0, 1, 0), (1, 0, 0), (0, 0, 0)], [0.9, 0.8, 0.7])]
    figures = openimages_score(images, found, NAMES, by_class=True)
    assert figures['wmap_rel'] == 3 / 4 and figures['map_rel'] == 1 / 2
    assert (figures['ap_rel/on'], figures['ap_rel/near']) == (1, 0) and 'ap_rel/in' not in figures


def test_no_truth_has_no_score():
    assert openimages_score([], [], NAMES) == openimages_score([image_of([])], [nothing()], NAMES) == {}
