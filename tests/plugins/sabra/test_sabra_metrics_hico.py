"""HICO-DET's figures: by a plain loop over the rules, by hand, and on the real test set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabra_metric_cases import (
    best_precision_from,
    free_relations,
    iou,
    nothing,
    perfect,
    random_result,
    random_truth,
    result_of,
)

from detplug.errors import UserError
from plugins.sabra.data.hico_pairs import read_pair_lists
from plugins.sabra.metrics import hico as hico_module
from plugins.sabra.metrics.average_precision import eleven_point
from plugins.sabra.metrics.hico import hico_map, known_objects
from plugins.sabra.metrics.known_objects import labels_of, read_image_labels
from plugins.sabra.relations import RelationNames, relation_image

OBJECTS, VERBS = 3, 2
# (object, verb) in another order than the table's; object 2 has no verb 1
TRIPLETS = np.array([(1, 1), (0, 0), (2, 0), (0, 1), (1, 0)])
NAMES = RelationNames(('person', 'cup', 'dog'), ('hold', 'see'), TRIPLETS, np.array([True, False, False, True, False]))
A, B, FAR = (0, 0, 9, 9), (20, 0, 29, 9), (60, 60, 69, 69)


def random_case(seed: int, images: int = 6):
    rng = np.random.default_rng(seed)
    classes = {tuple(row) for row in TRIPLETS.tolist()}

    def relations(labels):
        return [row for row in free_relations(rng, VERBS)(labels) if (labels[row[1]], row[2]) in classes]

    truth = [random_truth(rng, i, OBJECTS, relations) for i in range(images)]
    return rng, truth, [random_result(rng, image, OBJECTS, VERBS) for image in truth]


def slow_ap(images, results, target, verb, known=None):
    """One class by the rules, in loops; None without truth."""
    truth, found = [], []
    for n, (image, result) in enumerate(zip(images, results, strict=True)):
        truth.append(
            [(image.boxes[s], image.boxes[o]) for s, o, p in image.relations if (image.labels[o], p) == (target, verb)]
        )
        if known is None or any(known[n][c] == 1 for c in range(len(TRIPLETS)) if TRIPLETS[c][0] == target):
            for (s, o, p), score in zip(result.triplets, result.triplet_scores, strict=True):
                if (result.labels[o], p) == (target, verb):
                    found.append((n, result.boxes[s], result.boxes[o], score))
    total = sum(map(len, truth))
    if not total:
        return None
    taken, right = set(), []
    for n, subject, thing, _ in sorted(found, key=lambda row: -row[3]):
        largest, which = -1.0, None
        for k, (a, b) in enumerate(truth[n]):
            overlap = min(iou(subject, a), iou(thing, b))
            if overlap > largest:
                largest, which = overlap, k
        right.append(largest >= 0.5 and (n, which) not in taken)
        if right[-1]:
            taken.add((n, which))
    ap = 0.0
    for step in range(11):
        places = [k for k in range(len(right)) if sum(right[: k + 1]) / total >= step * 0.1]
        ap += best_precision_from(right, places[0]) / 11 if places else 0
    return ap


def slow_map(images, results, known=None):
    ap = [slow_ap(images, results, target, verb, known) for target, verb in TRIPLETS.tolist()]
    figures = {}
    for part, chosen in (('full', np.ones(5, bool)), ('rare', NAMES.rare), ('nonrare', ~NAMES.rare)):
        values = [value for value, use in zip(ap, chosen, strict=True) if use and value is not None]
        if values:
            figures[part] = sum(values) / len(values)
    return figures


@given(seed=st.integers(0, 2**32 - 1))
def test_equals_the_rules_in_loops(seed):
    rng, images, results = random_case(seed)
    known = rng.choice([1, 0, -1, np.nan], (len(images), len(TRIPLETS)))
    expected = {f'map_{name}': value for name, value in slow_map(images, results).items()}
    expected |= {f'known_{name}': value for name, value in slow_map(images, results, known).items()}
    assert hico_map(images, results, NAMES, known) == pytest.approx(expected)


def test_random_cases_are_neither_empty_nor_perfect():
    values = [hico_map(*random_case(seed)[1:], NAMES).get('map_full', -1) for seed in range(40)]
    assert len(set(values)) > 20 and sum(0.05 < value < 0.95 for value in values) > 20


def test_blocks_of_images_change_nothing(monkeypatch):
    _, images, results = random_case(3, images=20)
    known = np.random.default_rng(3).integers(0, 2, (20, len(TRIPLETS)))
    whole = hico_map(images, results, NAMES, known)
    monkeypatch.setattr(hico_module, 'BLOCK', 3)
    assert hico_map(images, results, NAMES, known) == whole


def one_pair(img_id=0, boxes=(A, B)):
    """A person who holds a cup."""
    return relation_image(img_id, f'{img_id}.jpg', (99, 99), boxes, [0, 1], [(0, 1, 0)])


def test_false_positives_in_images_without_relations_count():
    empty = relation_image(1, '1.jpg', (99, 99), [], [], [])
    wrong = result_of([A, B], [0, 1], [(0, 1, 0)], [0.9])
    right = result_of([A, B], [0, 1], [(0, 1, 0)], [0.8])
    assert hico_map([one_pair(), empty], [right, nothing()], NAMES)['map_full'] == 1
    assert hico_map([one_pair(), empty], [right, wrong], NAMES)['map_full'] == pytest.approx(1 / 2)


def test_images_without_predictions_stay_in_the_denominator():
    images = [one_pair(0), one_pair(1)]
    # half of the pairs at precision 1: recalls 0, .1 .. .5 are reached
    assert hico_map(images, [*perfect(images[:1]), nothing()], NAMES)['map_full'] == pytest.approx(6 / 11)


def test_a_prediction_finds_one_pair_and_the_nearest_even_if_taken():
    near = (1, 0, 10, 9)
    image = relation_image(0, '', (99, 99), [A, B, near], [0, 1, 0], [(0, 1, 0), (2, 1, 0)])
    twice = result_of([A, B], [0, 1], [(0, 1, 0), (0, 1, 0)], [0.9, 0.8])  # overlaps both persons by more than .5
    assert iou(A, near) > 0.5
    assert hico_map([image], [twice], NAMES)['map_full'] == pytest.approx(6 / 11)


def test_thresholds_are_exact_products():
    # 3 of 10 found: .3 is below 3 * 0.1 = .30000000000000004, so that three thresholds are reached, not four
    assert eleven_point(np.ones(3, bool), 10) == pytest.approx(3 / 11)
    assert eleven_point(np.ones(10, bool), 10) == 1
    assert eleven_point(np.zeros(0, bool), 10) == 0


def test_overlap_counts_the_last_pixel():
    # 9 px of 18 in common with the last pixel, 8 of 17 without
    image = one_pair(boxes=((0, 0, 17, 9), B))
    assert hico_map([image], [result_of([(0, 0, 8, 9), B], [0, 1], [(0, 1, 0)], [1])], NAMES)['map_full'] == 1
    assert hico_map([image], [result_of([(0, 0, 7.9, 9), B], [0, 1], [(0, 1, 0)], [1])], NAMES)['map_full'] == 0


def test_known_objects_by_hand():
    images = [one_pair(0), one_pair(1, (FAR, B))]
    results = [result_of([A, B], [0, 1], [(0, 1, 0)], [0.8]), result_of([A, B], [0, 1], [(0, 1, 0)], [0.9])]
    labels = np.full((2, 5), np.nan)
    labels[0, 0] = 1  # another verb of the same object
    labels[1, 1] = 1
    figures = hico_map(images, results, NAMES, labels)
    assert figures['map_full'] == pytest.approx(6 / 11 / 2)
    assert figures['known_full'] == pytest.approx(6 / 11)  # the truth of the second image stays
    assert known_objects(labels, NAMES).tolist() == [[False, True, False], [True, False, False]]


def test_classes_without_truth_are_left_out():
    figures = hico_map([one_pair()], perfect([one_pair()]), NAMES)
    assert figures == {'map_full': 1, 'map_nonrare': 1}
    assert hico_map([], [], NAMES) == {}


@pytest.mark.parametrize(
    ('names', 'images', 'results', 'match'),
    [
        (RelationNames(NAMES.objects, NAMES.predicates), [one_pair()], perfect([one_pair()]), 'names: no triplets'),
        (NAMES, [one_pair()], [], 'results: 0 for 1 images'),
        (
            NAMES,
            [relation_image(7, '', (9, 9), [A, B], [0, 2], [(0, 1, 1)])],
            [nothing()],
            'image 7: relations: object 2 with predicate 1 is no class',
        ),
        (NAMES, [one_pair(5)], [result_of([A], [0], [(0, 4, 0)], [1])], 'image 5: triplets: an object is none of the'),
        (NAMES, [one_pair(5)], [result_of([A], [0], [(1, 0, 0)], [1])], 'a subject is none of the boxes'),
        (NAMES, [one_pair(5)], [result_of([A], [0], [(0, 0, 9)], [1])], 'a predicate is none of the names'),
        (NAMES, [one_pair(5)], [result_of([A], [3], [(0, 0, 0)], [1])], 'a label is none of the classes'),
        (NAMES, [one_pair(5)], [result_of([A], [0], [(0, 0, 0)], [np.nan])], 'a score is not finite'),
        (NAMES, [one_pair(5)], [result_of([A], [0], [(0, 0, 0)], [])], 'not one score a relation'),
        (NAMES, [one_pair(5)], [result_of([A], [], [(0, 0, 0)], [1])], 'not one label a box'),
        (NAMES, [one_pair(5)], [result_of([[0, 0, np.inf, 1]], [0], [], [])], 'a box is not finite'),
    ],
)
def test_bad_input_is_named(names, images, results, match):
    with pytest.raises(UserError, match=match):
        hico_map(images, results, names)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(UserError, match=r'labels_known: \(2, 5\)'):
        hico_map([one_pair()], perfect([one_pair()]), NAMES, np.ones((2, 5)))


@given(content=st.binary(max_size=300))
def test_any_bytes_as_label_file_are_one_error(content, tmp_path_factory):
    path = tmp_path_factory.mktemp('mat') / 'anno.mat'
    path.write_bytes(content)
    with pytest.raises(UserError, match='get the file again') as error:
        read_image_labels(path)
    assert '\n' not in str(error.value)


def test_the_real_test_set(real_data):
    folder = real_data('hico')
    data = read_pair_lists(folder / 'instances_test2015.json')
    names, images = data.names, data.images
    assert len(images) == 9658 and not data.anomalies
    labels = labels_of(images, folder / 'anno.mat')
    assert known_objects(labels, names).sum() == 9827  # from the boxes it would be 9,709
    found = {(n, target) for n, image in enumerate(images) for target in image.labels[image.relations[:, 1]].tolist()}
    assert len(found) == 9709
    figures = hico_map(images, perfect(images), names, labels)
    assert figures == {f'{kind}_{part}': 1 for kind in ('map', 'known') for part in ('full', 'rare', 'nonrare')}
    assert sum(not len(image.relations) for image in images) == 112
    with pytest.raises(UserError, match='not in it'):
        labels_of([one_pair()], folder / 'anno.mat')
