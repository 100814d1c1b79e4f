"""VRD's recalls: by a plain loop over the rules, by hand, and on the real test set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import iou, nothing, perfect, random_case, result_of

from detplug.errors import UserError
from plugins.sabra.data.vrd import read_vrd_names, read_vrd_split, vrd_detections
from plugins.sabra.metrics.vrd import best_triplets, predicate_recall, vrd_recall
from plugins.sabra.relations import RelationNames, relation_image

A, B, FAR = (0, 0, 9, 9), (20, 0, 29, 9), (60, 60, 69, 69)
TOPS, KEPT = (2, 5), (1, 2, 10)


def slow_best(result, kept, top):
    """Rows (subject, object, predicate, score), best first: at most ``kept`` of a pair, then ``top`` of all."""
    rows = [(*row, float(score)) for row, score in zip(result.triplets.tolist(), result.triplet_scores, strict=True)]
    chosen, count = [], {}
    for row in sorted(rows, key=lambda row: -row[3]):
        count[row[:2]] = count.get(row[:2], 0) + 1
        if count[row[:2]] <= kept:
            chosen.append(row)
    return chosen[:top]


def union(a, b):
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def slow_hits(image, result, rows, phrase=False):
    """For each row: does it find a free relation of the image?"""
    taken, hits = set(), []
    for s, o, p, _ in rows:
        largest, which = -1.0, None
        for k, (gs, go, gp) in enumerate(image.relations.tolist()):
            labels = result.labels[s], result.labels[o], p
            if k in taken or labels != (image.labels[gs], image.labels[go], gp):
                continue
            subject, thing, gt_subject, gt_thing = result.boxes[s], result.boxes[o], image.boxes[gs], image.boxes[go]
            overlap = min(iou(subject, gt_subject), iou(thing, gt_thing))
            if phrase:
                overlap = iou(union(subject, thing), union(gt_subject, gt_thing))
            if overlap >= 0.5 and overlap > largest:
                largest, which = overlap, k
        hits.append(which is not None)
        taken.add(which)
    return hits


def slow_recalls(images, results):
    figures, total = {}, sum(len(image.relations) for image in images)
    for kind in ('relationship', 'phrase') if total else ():
        for top in TOPS:
            for kept in KEPT:
                found = [
                    sum(slow_hits(image, result, slow_best(result, kept, top), kind == 'phrase'))
                    for image, result in zip(images, results, strict=True)
                ]
                figures[f'{kind}_r{top}_k{kept}'] = sum(found) / total
    return figures


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_rules_in_loops(seed):
    _, images, results = random_case(seed)
    assert vrd_recall(images, results, tops=TOPS, kept=KEPT) == slow_recalls(images, results)


def test_random_cases_tell_the_figures_apart():
    figures = [vrd_recall(*random_case(seed)[1:], tops=TOPS, kept=KEPT) for seed in range(60)]
    figures = [x for x in figures if x]
    for one, other in (
        ('relationship_r2_k10', 'relationship_r5_k10'),
        ('relationship_r5_k1', 'relationship_r5_k10'),
        ('relationship_r5_k1', 'phrase_r5_k1'),
    ):
        assert sum(x[one] != x[other] for x in figures) > 10, (one, other)


def image_of(relations, img_id=0, boxes=(A, B), labels=(0, 1)):
    return relation_image(img_id, '', (99, 99), boxes, labels, relations)


def test_images_without_predictions_stay_in_the_denominator():
    images = [image_of([(0, 1, 0)]), image_of([(0, 1, 0)], 1)]
    assert vrd_recall(images, [*perfect(images[:1]), nothing()])['relationship_r50_k1'] == 1 / 2


def test_recall_is_micro():
    # 1 of 1 in one image, 1 of 3 in the other: 2 of 4, where a mean over images is 2/3
    images = [image_of([(0, 1, 0)]), image_of([(0, 1, 0), (0, 1, 1), (0, 1, 2)], 1)]
    results = [result_of([A, B], [0, 1], [(0, 1, 0)], [1])] * 2
    assert vrd_recall(images, results)['relationship_r50_k1'] == 2 / 4


def test_repeated_relations_and_self_pairs_count():
    image = image_of([(0, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 2)])
    once = result_of([A, B], [0, 1], [(0, 1, 0), (1, 0, 2)], [0.9, 0.8])
    assert vrd_recall([image], [once])['relationship_r50_k1'] == 2 / 4  # one prediction finds one of the two
    twice = result_of([A, B, A], [0, 1, 0], [(0, 1, 0), (2, 1, 0), (0, 0, 1), (1, 0, 2)], [0.9, 0.8, 0.7, 0.6])
    assert vrd_recall([image], [twice])['relationship_r50_k1'] == 1


def test_a_prediction_finds_one_relation():
    near = (1, 0, 10, 9)
    image = image_of([(0, 1, 0), (2, 1, 0)], boxes=(A, B, near), labels=(0, 1, 0))
    assert iou(A, near) > 0.5
    results = result_of([A, B], [0, 1], [(0, 1, 0)], [0.9])
    assert vrd_recall([image], [results])['relationship_r50_k1'] == 1 / 2
    # the second goes to the free one, unlike in HICO-DET
    results = result_of([A, B, A], [0, 1, 0], [(0, 1, 0), (2, 1, 0)], [0.9, 0.8])
    assert vrd_recall([image], [results])['relationship_r50_k1'] == 1


def test_names_must_be_equal():
    image = image_of([(0, 1, 0)])
    for labels, predicate in (((0, 1), 1), ((1, 1), 0), ((0, 0), 0)):
        found = vrd_recall([image], [result_of([A, B], labels, [(0, 1, predicate)], [1])])
        assert set(found.values()) == {0}
    assert set(vrd_recall([image], [result_of([B, A], [1, 0], [(1, 0, 0)], [1])]).values()) == {1}


def test_a_phrase_asks_for_the_box_around_both():
    image = image_of([(0, 1, 0)])
    left, right = (0, 0, 3, 9), (26, 0, 29, 9)  # too small, but around them lies the same box
    figures = vrd_recall([image], [result_of([left, right], [0, 1], [(0, 1, 0)], [1])])
    assert figures['relationship_r50_k1'] == 0 and figures['phrase_r50_k1'] == 1


def test_the_best_predicates_of_each_pair_are_kept():
    result = result_of([A, B], [0, 1], [(0, 1, 0), (0, 1, 1), (1, 0, 0), (0, 1, 2)], [0.2, 0.4, 0.1, 0.4])
    assert best_triplets(result, 1).tolist() == [1, 2]
    assert best_triplets(result, 2).tolist() == [1, 3, 2]
    assert best_triplets(result, 70).tolist() == [1, 3, 0, 2]
    assert best_triplets(result, 70, 2).tolist() == [1, 3]
    assert best_triplets(nothing(), 70, 2).tolist() == []


def test_no_truth_has_no_recall():
    assert vrd_recall([], []) == {} and vrd_recall([image_of([])], [nothing()]) == {}


def test_predicates_are_predicted_on_the_boxes_of_the_truth():
    image = image_of([(0, 1, 0), (1, 0, 1)])
    assert predicate_recall([image], perfect([image])) == {
        f'{name}_r{n}_k{k}': 1 for name in ('predicate', 'predicate_official') for n in (50, 100) for k in (1, 10, 70)
    }
    for boxes, labels in (((A, FAR), (0, 1)), ((A, B), (0, 0)), ((A, B, B), (0, 1, 1))):
        with pytest.raises(UserError, match='image 0: boxes: not those of the truth'):
            predicate_recall([image], [result_of(boxes, labels, [(0, 1, 0)], [1])])


def slow_official(image, result, k, top):
    """Relations found where each row of the truth predicts the k best predicates of its pair, as the script has it."""
    rows = []
    for subject, thing, _ in image.relations.tolist():
        pair = [row for row in slow_best(result, 99, None) if row[:2] == (subject, thing)]
        rows += pair[:k]
    rows.sort(key=lambda row: -row[3])
    return sum(slow_hits(image, result, rows[:top]))


def predicate_case(seed: int, images: int = 5):
    """Images with rows that repeat, and predictions for every pair of boxes of the truth."""
    rng, images, _ = random_case(seed, images)
    results = []
    for image in images:
        image.relations = image.relations[rng.integers(0, max(len(image.relations), 1), len(image.relations))]
        count = len(image.labels)
        rows = [(s, o, p) for s in range(count) for o in range(count) for p in rng.choice(3, 2, replace=False)]
        results.append(result_of(image.boxes, image.labels, rows, rng.integers(0, 9, len(rows)) / 8))
    return images, results


def slow_predicates(images, results):
    figures, total = {}, sum(len(image.relations) for image in images)
    for top in TOPS if total else ():
        for k in KEPT:
            pairs = list(zip(images, results, strict=True))
            once = sum(sum(slow_hits(*pair, slow_best(pair[1], k, top))) for pair in pairs)
            figures[f'predicate_r{top}_k{k}'] = once / total
            official = sum(slow_official(*pair, k, top) for pair in pairs)
            figures[f'predicate_official_r{top}_k{k}'] = official / total
    return figures


@given(seed=st.integers(0, 2**32 - 1))
def test_predicates_equal_the_rules_in_loops(seed):
    images, results = predicate_case(seed)
    assert predicate_recall(images, results, tops=TOPS, kept=KEPT) == slow_predicates(images, results)


def test_a_relation_that_is_annotated_twice_counts_twice_by_the_script_alone():
    image = image_of([(0, 1, 0), (0, 1, 0)])
    figures = predicate_recall([image], [result_of([A, B], [0, 1], [(0, 1, 0)], [1])])
    assert figures['predicate_official_r50_k1'] == 1 and figures['predicate_r50_k1'] == 1 / 2


def test_a_bad_score_is_found_even_if_it_would_not_be_kept():
    result = result_of([A, B], [0, 1], [(0, 1, 0), (1, 0, 0)], [0.5, np.nan])
    with pytest.raises(UserError, match='a score is not finite'):
        vrd_recall([image_of([(0, 1, 0)])], [result], tops=(1,))
    with pytest.raises(UserError, match='a predicate is none of the names'):
        vrd_recall([image_of([(0, 1, 1)])], [nothing()], RelationNames(('a', 'b'), ('on',)))


def vrd_test(folder):
    return read_vrd_split(folder / 'annotations_test.json', read_vrd_names(folder)).images


def test_the_real_test_set(real_data):
    vrd_images = vrd_test(real_data('vrd'))
    rows = [image.relations for image in vrd_images]
    assert len(vrd_images) == 1000 and sum(map(len, rows)) == 7638 and sum(not len(x) for x in rows) == 45
    assert sum((x[:, 0] == x[:, 1]).sum() for x in rows) == 26
    once = sum(len(np.unique(x, axis=0)) for x in rows)
    assert once == 7638 - 160  # a repeated relation needs a second prediction
    figures = vrd_recall(vrd_images, perfect(vrd_images))
    assert figures['relationship_r100_k70'] == figures['phrase_r100_k70'] == once / 7638
    pairs = sum(len(np.unique(x[:, :2], axis=0)) for x in rows)
    assert figures['relationship_r100_k1'] == pairs / 7638


def test_real_detections_against_the_loops(real_data):
    rng = np.random.default_rng(0)
    detections = vrd_detections(real_data('vrd') / 'detections_test_rcnn.json')
    none = np.zeros((0, 4)), np.zeros(0), np.zeros(0)
    images, results = [], []
    for image in vrd_test(real_data('vrd'))[:150]:
        boxes, labels, _ = detections.get(image.img_id, none)
        pairs = [(s, o) for s in range(len(boxes)) for o in range(len(boxes)) if s != o]
        triplets = np.array([(s, o, p) for s, o in pairs for p in rng.choice(12, 3, replace=False)]).reshape(-1, 3)
        images.append(image)
        results.append(result_of(boxes, labels, triplets, rng.random(len(triplets))))
    figures = vrd_recall(images, results, tops=TOPS, kept=KEPT)
    assert figures == slow_recalls(images, results) and 0 < figures['relationship_r5_k10'] < figures['phrase_r5_k10']
