"""Stanford VRD: order of a box, official counts, and the released detections on the real annotations."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sabra_data_cases import change_somewhere, error_of, kinds_of, reads_or_refuses, write_json

from plugins.sabra.data.relation_file import read_relations
from plugins.sabra.data.vrd import read_vrd, read_vrd_names, read_vrd_split, vrd_detections
from plugins.sabra.relations import RelationNames

WILD = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = RelationNames(('person', 'hat'), ('wear', 'on', 'above'))


def content() -> dict:
    """One image with a person in a hat; box [ymin, ymax, xmin, xmax]. And one without relations."""
    person, hat = dict(category=0, bbox=[10, 90, 20, 50]), dict(category=1, bbox=[5, 15, 30, 40])
    return {
        'a.jpg': [
            dict(predicate=0, subject=person, object=hat),
            dict(predicate=1, subject=hat, object=person),
            dict(predicate=0, subject=person, object=hat),
            dict(predicate=2, subject=hat, object=dict(category=0, bbox=[5, 15, 30, 40])),
            dict(predicate=1, subject=person, object=person),
        ],
        'b.jpg': [],
    }


def test_boxes_relations_and_sizes(tmp_path):
    data = read_vrd_split(write_json(tmp_path / 'a.json', content()), NAMES)
    image, empty = data.images
    assert image.boxes.tolist() == [[20, 10, 50, 90], [30, 5, 40, 15], [30, 5, 40, 15]]  # another class: another object
    assert image.labels.tolist() == [0, 1, 0]
    assert image.relations.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0], [1, 2, 2], [0, 0, 1]]
    assert (image.width, image.height, image.img_id) == (50, 90, 'a.jpg')
    assert (empty.width, empty.height, len(empty.boxes)) == (1, 1, 0)


@pytest.mark.parametrize(
    'change, words',
    [
        ([], 'not an object of file name'),
        ({'a.jpg': {}}, 'a.jpg: not a list of relations'),
        ({'a.jpg': [3]}, 'a.jpg: [0]: needs predicate'),
        ({'a.jpg': [content()['a.jpg'][0] | dict(predicate=3)]}, 'a.jpg: [0]: needs predicate'),
        (
            {'a.jpg': [content()['a.jpg'][0] | dict(object=dict(category=0, bbox=[1, 2, 3]))]},
            'a.jpg: [0]: needs predicate',
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path, change, words):
    path = write_json(tmp_path / 'a.json', change)
    assert error_of(read_vrd_split, path, NAMES).startswith(f'{path}: {words}')


def test_broken_names_are_named(tmp_path):
    write_json(tmp_path / 'objects.json', ['a', 'a'])
    assert 'a name is listed twice' in error_of(read_vrd_names, tmp_path)
    write_json(tmp_path / 'objects.json', ['a', 3])
    assert 'not a list of names' in error_of(read_vrd_names, tmp_path)


@settings(WILD, max_examples=100)
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path, data):
    reads_or_refuses(read_vrd_split, write_json(tmp_path / 'a.json', change_somewhere(data, content())), NAMES)
    found = {'a.jpg': dict(boxes=[[1, 2, 3, 4], [0, 0, 9, 9]], labels=[0, 1], scores=[0.5, 0.25])}
    reads_or_refuses(vrd_detections, write_json(tmp_path / 'b.json', change_somewhere(data, found)))


@pytest.mark.parametrize(
    'entry, words',
    [
        (dict(boxes=[[1, 2, 3]], labels=[0], scores=[1]), 'cannot reshape'),
        (dict(boxes=[[1, 2, 3, 4]], labels=[0, 1], scores=[1]), 'not of one length'),
        (dict(boxes=[[1, 2, 3, float('nan')]], labels=[0], scores=[1]), 'not finite'),
        (dict(boxes=[], labels=[]), 'scores'),
        (None, 'a.jpg'),
    ],
)
def test_broken_detections_are_named(tmp_path, entry, words):
    message = error_of(vrd_detections, write_json(tmp_path / 'a.json', {'a.jpg': entry}))
    assert 'a.json: a.jpg: ' in message and words in message


@cache
def prepared(folder):
    return read_vrd(folder)


def test_the_official_counts_hold(real_data, tmp_path):
    out = prepared(real_data('vrd'))
    assert {name: out.counts[name] for name in out.official} == out.official
    for split, counts in (('train', (4000, 220, 30355, 83, 494)), ('test', (1000, 45, 7638, 26, 160))):
        data = read_relations(write_json(tmp_path / f'{split}.json', out.texts[f'annotations/{split}.json']))
        rows = [image.relations for image in data.images]
        found = (
            len(data.images),
            sum(not len(each) for each in rows),
            sum(map(len, rows)),
            sum(int((each[:, 0] == each[:, 1]).sum()) for each in rows),
            sum(len(each) - len({tuple(row) for row in each.tolist()}) for each in rows),
        )
        assert found == counts
        assert set(kinds_of(data.anomalies)) == {'repeated relation kept', 'self relation kept'}


def test_the_released_detections_lie_on_the_objects(real_data, tmp_path):
    found = vrd_detections(real_data('vrd') / 'detections_test_rcnn.json')
    assert len(found) == 1000 and sum(len(boxes) for boxes, _, _ in found.values()) == 7221
    assert sum(not len(boxes) for boxes, _, _ in found.values()) == 48
    data = read_relations(write_json(tmp_path / 'a.json', prepared(real_data('vrd')).texts['annotations/test.json']))
    hits = objects = 0
    for image in data.images:
        boxes, labels, scores = found[image.file_name]
        assert boxes.dtype == scores.dtype == np.float32 and labels.dtype == np.int64
        objects += len(image.boxes)
        hits += sum(
            any(label == one and overlap(box, other) >= 0.5 for other, one in zip(boxes, labels, strict=True))
            for box, label in zip(image.boxes, image.labels, strict=True)
        )
    assert round(100 * hits / objects, 1) == 56.0


def overlap(a, b) -> float:
    """IoU with the last pixel inside, as the official code counts."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - both)
