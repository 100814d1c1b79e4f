"""Files of outside detections: every form gives the same boxes, every wrong file one line with file, field and cure."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.sabra.detections import open_detections
from plugins.sabra.transforms import FileProposals, PackRelations

CLASSES = ('cup', 'person')
IDS = dict(
    images=[dict(id=7, file_name='x/a.jpg'), dict(id=8, file_name='b.jpg')],
    categories=[dict(id=1, name='person'), dict(id=44, name='cup')],
)
ROWS = [  # image, class, box xyxy, score
    ('x/a.jpg', 'person', (10, 20, 40, 60), 0.9),
    ('b.jpg', 'cup', (1, 2, 3.5, 4), 0.25),
    ('x/a.jpg', 'cup', (0, 0, 5, 5), 0.5),
]


def row(image, name, box, score, **changes):
    x1, y1, x2, y2 = box
    return dict(file_name=image, category_name=name, bbox=[x1, y1, x2 - x1, y2 - y1], score=score) | changes


def write_json(folder, rows, name='d.json'):
    (folder / name).write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return folder / name


def write_csv(folder, rows=ROWS, header='image,class,score,x1,y1,x2,y2'):
    lines = [f'{image},{name},{score},{",".join(map(str, box))}' for image, name, box, score in rows]
    (folder / 'd.csv').write_text('\n'.join([header, *lines]))
    return folder / 'd.csv'


def write_npz(folder, rows=ROWS, **more):
    for image in {image for image, *_ in rows}:
        own = [x for x in rows if x[0] == image]
        path = (folder / 'npz' / image).with_suffix('.npz')
        path.parent.mkdir(parents=True, exist_ok=True)
        boxes, scores = (np.array([x[k] for x in own], np.float64) for k in (2, 3))
        arrays = dict(boxes=boxes, scores=scores, classes=np.array([x[1] for x in own])) | more
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return folder / 'npz'


def coco(folder):
    numbers, ids = {'x/a.jpg': 7, 'b.jpg': 8}, {'person': 1, 'cup': 44}
    rows = [
        dict(image_id=numbers[x['file_name']], category_id=ids[x['category_name']], bbox=x['bbox'], score=x['score'])
        for x in (row(*x) for x in ROWS)
    ]
    return write_json(folder, rows, 'coco.json')


def ids_file(folder):
    (folder / 'ids.json').write_text(json.dumps(IDS))
    return folder / 'ids.json'


FORMS = {
    'predictions.json': lambda folder: open_detections(write_json(folder, [row(*x) for x in ROWS])),
    'COCO results': lambda folder: open_detections(coco(folder), ids_file(folder)),
    'csv': lambda folder: open_detections(write_csv(folder)),
    'npz': lambda folder: open_detections(write_npz(folder)),
}


@pytest.mark.parametrize('form', FORMS)
def test_every_form_gives_the_same_boxes_also_after_a_loader_process_got_it(form, tmp_path):
    opened = FORMS[form](tmp_path)
    for detections in (opened, pickle.loads(pickle.dumps(opened))):
        first = detections.of('data/images/x/a.jpg', 0, CLASSES)
        assert first.boxes.tolist() == [[10, 20, 40, 60], [0, 0, 5, 5]] and first.labels.tolist() == [1, 0]
        assert first.scores.tolist() == pytest.approx([0.9, 0.5]) and first.boxes.dtype == np.float32
        assert detections.of('data/images/b.jpg', 0, CLASSES).boxes.tolist() == [[1, 2, 3.5, 4]]
        assert detections.of('data/images/c.jpg', 0, CLASSES) is None
        assert detections.of('data/images/b.jpg', 0, ('person', 'cup')).labels.tolist() == [1]  # other label order


def test_ids_of_the_data_set_need_no_annotations_where_classes_are_named(tmp_path):
    rows = [dict(image_id=5, category_name='cup', bbox=[0, 0, 9, 9], score=1)]
    detections = open_detections(write_json(tmp_path, rows))
    assert detections.of('anything.jpg', 5, CLASSES).boxes.tolist() == [[0, 0, 9, 9]]
    assert detections.of('anything.jpg', 6, CLASSES) is None


def test_names_are_changed_and_boxes_left_out_only_where_that_is_said(tmp_path):
    file = write_csv(tmp_path, [('a.jpg', 'mug', (0, 0, 9, 9), 1), ('a.jpg', 'tree', (0, 0, 5, 5), 1)])
    found = open_detections(file, rename={'mug': 'cup', 'tree': None}).of('a.jpg', 0, CLASSES)
    assert found.labels.tolist() == [0] and found.boxes.tolist() == [[0, 0, 9, 9]]
    with pytest.raises(UserError, match=r'class: tree is no class of the data \(cup, person\); .*rename='):
        open_detections(file, rename={'mug': 'cup'}).of('a.jpg', 0, CLASSES)


def test_a_row_without_class_says_that_nothing_was_found(tmp_path):
    (tmp_path / 'd.csv').write_text('image,class,score,x1,y1,x2,y2\na.jpg,,,,,,\n')
    assert len(open_detections(tmp_path / 'd.csv').of('a.jpg', 0, CLASSES).boxes) == 0


def test_folders_tell_pictures_of_one_name_apart(tmp_path):
    rows = [row(f'{name}/a.jpg', 'cup', (0, 0, side, side), 1) for name, side in (('train', 9), ('val', 5))]
    detections = open_detections(write_json(tmp_path, rows))
    assert detections.of('data/images/val/a.jpg', 0, CLASSES).boxes[0, 2] == 5
    with pytest.raises(UserError, match='may both be other/a.jpg; give their folders'):
        detections.of('other/a.jpg', 0, CLASSES)


ROW = row(*ROWS[0])
BAD_JSON = {
    'not json': ('[', 'not readable as json'),
    'no list': ({}, 'a row has bbox'),
    'NaN': ('[{"file_name": "a", "category_name": "cup", "bbox": [0,0,NaN,1], "score": 1}]', 'no NaN'),
    'three numbers': ([ROW | dict(bbox=[1, 2, 3])], r'a row has bbox \(4 numbers'),
    'a text as score': ([ROW | dict(score='high')], r'\[0\].score'),
    'percent': ([ROW | dict(score=90)], r'\[0\]: score: 90 is not from 0 to 1; divide percent by 100'),
    'a negative side': ([ROW, ROW | dict(bbox=[5, 5, -2, 2])], r'\[1\]: box: \[5.0, 5.0, 3.0, 7.0\]'),
    'shares': ([ROW | dict(bbox=[0.1, 0.2, 0.3, 0.4])] * 2, 'give pixels, not shares'),
    'neither name nor id': ([dict(category_name='cup', bbox=[0, 0, 1, 1], score=1)], 'neither file_name nor image_id'),
    'no class': ([dict(file_name='a', bbox=[0, 0, 1, 1], score=1)], 'neither category_name nor category_id'),
    'an id alone': ([dict(file_name='a', category_id=3, bbox=[0, 0, 1, 1], score=1)], 'annotations=FILE'),
}


@pytest.mark.parametrize('case', BAD_JSON)
def test_a_wrong_json_is_one_line(case, tmp_path):
    rows, message = BAD_JSON[case]
    with pytest.raises(UserError, match=message) as error:
        open_detections(write_json(tmp_path, rows))
    assert 'd.json' in str(error.value) and '\n' not in str(error.value)


BAD_CSV = {
    'columns': ('image,class,x1,y1,x2,y2\n', 'columns: image,class,x1,y1,x2,y2; these are needed'),
    'fields': ('image,class,score,x1,y1,x2,y2\na.jpg,cup,1\n', 'line 2: needs 7 fields'),
    'a word': ('image,class,score,x1,y1,x2,y2\na.jpg,cup,1,0,0,wide,9\n', 'line 2: x2: wide is not a number'),
    'infinite': ('image,class,score,x1,y1,x2,y2\na.jpg,cup,1,0,0,inf,9\n', 'line 2: box'),
    'NaN': ('image,class,score,x1,y1,x2,y2\na.jpg,cup,nan,0,0,9,9\n', 'line 2: score: nan'),
}


@pytest.mark.parametrize('case', BAD_CSV)
def test_a_wrong_table_is_one_line(case, tmp_path):
    text, message = BAD_CSV[case]
    (tmp_path / 'd.csv').write_text(text)
    with pytest.raises(UserError, match=message) as error:
        open_detections(tmp_path / 'd.csv')
    assert 'd.csv' in str(error.value) and '\n' not in str(error.value)


FEATURES, PAIRS, UNIONS = np.ones((2, 3)), np.array([[0, 1]]), np.ones((1, 4))
BAD_NPZ = {
    'classes missing': (dict(classes=None), 'classes: missing'),
    'an array of its own': (dict(masks=np.ones(2)), 'masks: no known array'),
    'numbers as classes': (dict(classes=np.array([1, 2])), 'classes: int64'),
    'objects': (dict(classes=np.array(['cup', None], object)), 'not readable as npz'),
    'three scores': (dict(scores=np.ones(3)), r'scores: float64 \(3,\)'),
    'features of one box': (dict(features=FEATURES[:1]), 'features: float64'),
    'flat features': (dict(features=np.ones(2)), 'features: finite numbers of shape'),
    'features not finite': (dict(features=FEATURES * np.nan), 'features: finite numbers'),
    'unions without pairs': (dict(features=FEATURES, unions=UNIONS), 'add them'),
    'a pair of no box': (dict(features=FEATURES, unions=UNIONS, union_pairs=PAIRS + 1), 'union_pairs: 1 to 2'),
    'percent': (dict(scores=np.array([90.0, 80.0])), 'divide percent by 100'),
}


@pytest.mark.parametrize('case', BAD_NPZ)
def test_a_wrong_npz_is_one_line(case, tmp_path):
    changes, message = BAD_NPZ[case]
    folder = write_npz(tmp_path, [x for x in ROWS if x[0] == 'x/a.jpg'], **changes)
    with pytest.raises(UserError, match=message) as error:
        open_detections(folder).of('x/a.jpg', 0, CLASSES)
    assert 'a.npz' in str(error.value) and '\n' not in str(error.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from(['d.json', 'd.csv', 'npz/a.npz']))
def test_any_bytes_are_detections_or_one_line(tmp_path, content, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        open_detections(path.parent if name.startswith('npz') else path).of('a.jpg', 0, CLASSES)
    except UserError as error:
        assert '\n' not in str(error)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(file='d.xml'), r'neither a .json, a .csv nor a folder'),
        (dict(file='d.csv', annotations='ids.json'), 'annotations: only json has ids'),
        (dict(file='d.csv', features=True), 'features: only a folder of npz files'),
        (dict(file='nowhere.json'), 'not found'),
        (dict(file='nowhere.csv'), 'not found'),
        (dict(file='.'), 'no npz file in this folder'),
        (dict(file='d.csv', missing='maybe'), "missing: 'maybe'"),
        (dict(file='d.csv', most=0), 'most: 0'),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path)
    with pytest.raises(UserError, match=message):
        FileProposals(**options)


def item(name='a.jpg', **more):
    return dict(img_path=f'images/x/{name}', img_id=3, width=64, height=64, classes=CLASSES) | more


def test_images_that_the_file_does_not_name(tmp_path):
    file = write_csv(tmp_path)
    with pytest.raises(UserError, match='no detections of images/x/c.jpg'):
        FileProposals(file)(item('c.jpg'))
    with pytest.raises(UserError, match='a.jpg, but the picture is a.png; name it as it is'):
        FileProposals(file, missing='empty')(item('a.png'))
    empty = FileProposals(file, missing='empty')
    with pytest.raises(UserError, match='none of 50 pictures is named'):
        for number in range(50):
            assert len(empty(item(f'c{number}.jpg'))['proposals'][0]) == 0
    good = FileProposals(file, missing='empty')
    good(item())
    for number in range(60):
        good(item(f'c{number}.jpg'))


def test_boxes_of_another_size_of_the_picture_are_refused(tmp_path):
    file = write_csv(tmp_path)
    with pytest.raises(UserError, match='is outside the 20x20 image; give pixels of the original'):
        FileProposals(file)(item(width=20, height=20))
    assert len(FileProposals(file, check_size=False)(item(width=20, height=20))['proposals'][0]) == 2


def test_features_come_with_the_boxes_into_the_sample(tmp_path):
    own = [x for x in ROWS if x[0] == 'x/a.jpg']
    features, unions = np.arange(6.0).reshape(2, 3), np.array([[5.0, 6]])
    folder = write_npz(tmp_path, own, features=features, unions=unions, union_pairs=np.array([[1, 0]]))
    results = FileProposals(folder, features=True)(item())
    proposals = PackRelations()(results)['data_samples'].proposals
    assert proposals.features.tolist() == features.tolist()
    assert proposals.unions.tolist() == [[[0, 0], [0, 0]], [[5, 6], [0, 0]]]
    with pytest.raises(UserError, match='has no features; write them'):
        FileProposals(write_npz(tmp_path, own), features=True)(item())


@pytest.mark.parametrize('form', ['json', 'npz'])
def test_the_highest_scores_are_kept_with_their_features(form, tmp_path):
    rows = [('a.jpg', 'cup', (0, 0, 9, side), side / 10) for side in (2, 5, 1, 4)]
    if form == 'json':
        found = open_detections(write_json(tmp_path, [row(*x) for x in rows]), most=2).of('a.jpg', 0, CLASSES)
    else:
        more = dict(features=np.arange(4.0)[:, None], union_pairs=np.array([[3, 1], [0, 1]]), unions=np.ones((2, 1)))
        folder = write_npz(tmp_path, rows, **more)
        found = open_detections(folder, features=True, most=2).of('a.jpg', 0, CLASSES)
        assert found.features.tolist() == [[1], [3]] and found.unions[..., 0].tolist() == [[0, 0], [1, 0]]
    assert found.boxes[:, 3].tolist() == [5, 4] and found.scores.tolist() == pytest.approx([0.5, 0.4])
