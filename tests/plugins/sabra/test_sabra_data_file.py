"""A file of relations of any content gives a set or one UserError of one line; what is odd is listed, never dropped."""

import copy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sabra_data_cases import (
    assert_same_set,
    change_somewhere,
    error_of,
    kinds_of,
    reads_or_refuses,
    relation_content,
    small_set,
    write_json,
)

from plugins.sabra.data.relation_file import read_relations, read_with_crowds, write_relations
from plugins.sabra.relations import RelationNames, RelationSet, relation_image

WILD = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEPT = object()


def changed(key, index, field, value=KEPT) -> dict:
    """The content with one field replaced, or taken away."""
    content = relation_content()
    if value is KEPT:
        del content[key][index][field]
    else:
        content[key][index][field] = value
    return content


def more(key, **entry) -> dict:
    content = relation_content()
    content[key].append(entry)
    return content


def test_ids_become_indices_and_labels_follow_the_file(tmp_path):
    data = read_relations(write_json(tmp_path / 'a.json', relation_content()))
    assert_same_set(data, small_set())
    assert data.anomalies == []


def test_without_triplets_any_relation_may_exist(tmp_path):
    content = relation_content()
    del content['triplets']
    assert read_relations(write_json(tmp_path / 'a.json', content)).names.triplets is None
    content = relation_content()
    for entry in content['triplets']:
        entry.pop('rare', None)
    names = read_relations(write_json(tmp_path / 'a.json', content)).names
    assert names.rare is None and len(names.triplets) == 3


def test_what_is_odd_is_listed_and_kept(tmp_path):
    content = relation_content()
    content['annotations'][1]['bbox'] = [5, 6, 0, 5]
    content['annotations'][2]['bbox'] = [-2, 20, 48, 12]
    content['relations'] += [content['relations'][0]] * 2
    content['relations'].append(dict(image_id=7, subject_id=30, object_id=30, predicate_id=3))
    data = read_relations(write_json(tmp_path / 'a.json', content))
    assert data.anomalies == [
        'degenerate box kept: a.jpg: object 10 (cup): (5, 6, 5, 11) in 48x32',
        'box over the edge kept: a.jpg: object 30 (table): (-2, 20, 46, 32) in 48x32',
        'repeated relation kept: a.jpg: 40 hold 10: 3 times',
        'self relation kept: a.jpg: 30 hold 30',
        'not in triplets: a.jpg: 30 hold 30',
    ]
    want = small_set().images[0].relations.tolist() + [[0, 1, 0]] * 2 + [[2, 2, 0]]
    assert data.images[0].relations.tolist() == want and len(data.images[0].boxes) == 3


def test_each_image_is_looked_at_by_its_own_objects(tmp_path):
    content = relation_content()
    content['annotations'] += [dict(id=i, image_id='b', category_id=i, bbox=[0, 0, 9, i - 1]) for i in (1, 5)]
    for predicate, thing in ((2, 1), (3, 1), (3, 5), (1, None)):  # on table, hold table, hold cup, smile
        content['relations'].append(dict(image_id='b', subject_id=5, object_id=thing, predicate_id=predicate))
    assert read_relations(write_json(tmp_path / 'a.json', content)).anomalies == [
        'degenerate box kept: b.jpg: object 1 (table): (0, 0, 9, 0) in 64x64',
        'self relation kept: b.jpg: 5 hold 5',
        'not in triplets: b.jpg: 5 hold 1',
    ]


def test_a_crowd_is_annotated_only_where_it_does_something(tmp_path):
    content = relation_content()
    content['annotations'][1]['iscrowd'] = content['annotations'][2]['iscrowd'] = 1
    data, crowds = read_with_crowds(write_json(tmp_path / 'a.json', content))
    assert [crowd.tolist() for crowd in crowds] == [[False, True, True], []]
    assert data.images[0].annotated.tolist() == [True, True, False]  # the cup stands on the table
    assert kinds_of(data.anomalies) == ['crowd or ignored box'] * 2


def test_objects_whose_relations_nobody_annotated(tmp_path):
    content = changed('annotations', 2, 'relations_annotated', False)
    assert read_relations(write_json(tmp_path / 'a.json', content)).images[0].annotated.tolist() == [True, True, False]


@pytest.mark.parametrize(
    'content, words',
    [
        ('', 'not readable as json'),
        ('{"relations": ' + '[' * 100000, 'not readable as json'),
        ('{}', 'images: missing'),
        ({**relation_content(), 'predicates': 'hold'}, 'predicates: missing or not a list of objects'),
        ({**relation_content(), 'predicates': []}, 'predicates: empty; name at least one'),
        ({**relation_content(), 'relations': None}, 'relations: missing or not a list of objects'),
        ({**relation_content(), 'relations': [3]}, 'relations: missing or not a list of objects'),
        ({**relation_content(), 'triplets': []}, 'triplets: empty; leave the field out'),
        (changed('categories', 0, 'name', 'table'), 'categories: named twice: table'),
        (changed('predicates', 0, 'name', 'on'), 'predicates: named twice: on'),
        (changed('predicates', 0, 'name', ''), "predicates[0].name: '' is not a name"),
        (changed('predicates', 1, 'id', 3), 'predicates[1].id: 3 is used twice'),
        (changed('predicates', 1, 'id', True), 'predicates[1].id: True is not an id'),
        (changed('annotations', 1, 'id', 40), 'annotations[1].id: 40 is used twice'),
        (changed('annotations', 1, 'id'), 'annotations[1].id: None is not an id'),
        (changed('annotations', 1, 'id', [1]), 'annotations[1].id: [1] is not an id'),
        (changed('annotations', 0, 'judged', False), 'annotations[0].judged: the key is now relations_annotated'),
        (
            changed('annotations', 1, 'relations_annotated', 0),
            'annotations[1].relations_annotated: 0 is not true or false',
        ),
        (
            changed('annotations', 0, 'relations_annotated', False),
            'relations[0].subject_id: annotation 40 has relations_annotated false',
        ),
        (changed('annotations', 0, 'bbox', [1, 2, float('nan'), 4]), 'annotations[0].bbox'),
        (changed('annotations', 0, 'category_id', 9), 'annotations[0].category_id: 9 is not in categories'),
        (changed('relations', 1, 'image_id', 99), 'relations[1].image_id: 99 is no id in images'),
        (
            changed('relations', 1, 'image_id', 'b'),
            'relations[1].subject_id: annotation 40 is in image 7, the relation',
        ),
        (changed('relations', 0, 'subject_id', 41), 'relations[0].subject_id: 41 is no id in annotations'),
        (changed('relations', 0, 'subject_id', None), 'relations[0].subject_id: None is no id in annotations'),
        (changed('relations', 0, 'subject_id', 40.0), 'relations[0].subject_id: 40.0 is no id in annotations'),
        (changed('relations', 0, 'object_id', '10'), "relations[0].object_id: '10' is no id in annotations"),
        (changed('relations', 0, 'object_id', {}), 'relations[0].object_id: {} is no id in annotations'),
        (changed('relations', 0, 'object_id'), 'relations[0].object_id: missing; write null'),
        (
            changed('relations', 0, 'predicate_id', float('nan')),
            'relations[0].predicate_id: nan is no id in predicates',
        ),
        (changed('triplets', 0, 'category_id', 77), 'triplets[0].category_id: 77 is no id of the file'),
        (changed('triplets', 0, 'predicate_id'), 'triplets[0].predicate_id: None is no id of the file'),
        (changed('triplets', 0, 'rare', 'yes'), "triplets[0].rare: 'yes' is not true or false"),
        (more('triplets', category_id=5, predicate_id=3), 'triplets[3]: the same as triplets[0]'),
    ],
)
def test_each_defect_is_named(tmp_path, content, words):
    path = write_json(tmp_path / 'a.json', content)
    message = error_of(read_relations, path)
    assert message.startswith(f'{path}: {words}')


def test_a_relation_across_images_is_refused(tmp_path):
    content = more('annotations', id=1, image_id='b', category_id=1, bbox=[0, 0, 5, 5])
    content['relations'][0]['object_id'] = 1
    message = error_of(read_relations, write_json(tmp_path / 'a.json', content))
    assert "relations[0].object_id: annotation 1 is in image 'b', the relation in image 7" in message


@WILD
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    (tmp_path / 'a.json').write_bytes(content)
    reads_or_refuses(read_relations, tmp_path / 'a.json')


@settings(WILD, max_examples=300)
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path, data):
    content = change_somewhere(data, copy.deepcopy(relation_content()))
    reads_or_refuses(read_relations, write_json(tmp_path / 'a.json', content))


PIXELS = st.integers(-(10**5), 10**6).map(lambda hundredths: hundredths / 100)
WORDS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4, unique=True)


@st.composite
def images(draw, number, names):
    """An image of any content; boxes have two decimals, as annotation files do, or are any float32 of a big image."""
    count = draw(st.integers(0, 4))
    pixels = draw(st.sampled_from([PIXELS, st.floats(0.25, 1e4, width=32)]))
    boxes = draw(st.lists(st.tuples(pixels, pixels, pixels, pixels), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, len(names.objects) - 1), min_size=count, max_size=count))
    row = st.tuples(st.integers(0, count - 1), st.integers(-1, count - 1), st.integers(0, len(names.predicates) - 1))
    rows = draw(st.lists(row, max_size=5)) if count else []
    subjects = {subject for subject, _, _ in rows}
    annotated = [i in subjects or draw(st.booleans()) for i in range(count)]
    size = draw(st.tuples(st.integers(1, 9999), st.integers(1, 9999)))
    return relation_image(
        number, draw(st.text(min_size=1, max_size=8)).replace('\\', '/'), size, boxes, labels, rows, annotated
    )


@st.composite
def relation_sets(draw):
    names = RelationNames(tuple(draw(WORDS)), tuple(draw(WORDS)))
    pair = st.tuples(st.integers(0, len(names.objects) - 1), st.integers(0, len(names.predicates) - 1))
    triplets = draw(st.none() | st.lists(pair, min_size=1, unique=True))
    if triplets is not None:
        rare = draw(st.none() | st.lists(st.booleans(), min_size=len(triplets), max_size=len(triplets)))
        names = RelationNames(
            names.objects, names.predicates, np.array(triplets), None if rare is None else np.array(rare)
        )
    numbers = draw(st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3, unique=True))
    return RelationSet(names, [draw(images(number, names)) for number in numbers])


@settings(WILD, max_examples=150)
@given(data=relation_sets())
def test_what_is_written_is_read_again(tmp_path, data):
    assert_same_set(read_relations(write_json(tmp_path / 'a.json', write_relations(data))), data)


def test_numbers_are_written_in_few_decimals():
    image = relation_image(1, 'a.jpg', (640, 480), [[0.96, 1.07, 352.05, 145.36]], [0], [])
    text = write_relations(RelationSet(RelationNames(('a',), ('b',)), [image]))
    assert '"bbox": [0.96, 1.07, 351.09, 144.29]' in text
