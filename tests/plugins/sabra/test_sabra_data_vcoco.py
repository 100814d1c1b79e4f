"""V-COCO: roles by columns, who was annotated, and three forms of the real annotations that agree in every image."""

import json
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sabra_data_cases import change_somewhere, error_of, kinds_of, reads_or_refuses, write_json

from plugins.sabra.data.coco_names import NAMES
from plugins.sabra.data.relation_file import read_relations
from plugins.sabra.data.vcoco import read_split, read_vcoco
from plugins.sabra.data.vcoco_everything import read_everything
from plugins.sabra.data.vcoco_names import ACTIONS, PREDICATES
from plugins.sabra.data.vcoco_official import read_official, read_people
from plugins.sabra.data.vcoco_pairs import read_vcoco_pairs
from plugins.sabra.relations import NO_OBJECT

WILD = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPLITS = {'train': (2533, 3932), 'val': (2867, 4499)}
TWO_EQUAL_BOXES = 214087  # COCO has two annotations with one box here; the texts cannot tell them apart


def official_content() -> list[dict]:
    """Two persons of image 5 and one of image 6: 11 eats a cake (30) with a fork that is not there, 12 hits nothing."""
    people = [(5, 11), (6, 13), (5, 12)]
    does = {('eat', 11): [30, 0], ('hit', 12): [0, 0], ('stand', 11): [], ('stand', 12): []}
    content = []
    for action, roles in ACTIONS.items():
        columns = [[person for _, person in people]]
        for at in range(len(roles)):
            columns.append([(does.get((action, person)) or [0, 0])[at] for _, person in people])
        content.append(
            dict(
                action_name=action,
                role_name=['agent', *roles],
                image_id=[image for image, _ in people],
                ann_id=[person for _, person in people],
                label=[int((action, person) in does) for _, person in people],
                role_object_id=sum(columns, []),
                include=[[] for _ in columns],
            )
        )
    return content


def coco_content() -> dict:
    """Annotations 11 to 13 are V-COCO's, 14 is another person, 15 a crowd of persons."""
    items = [(14, 5, 1), (11, 5, 1), (30, 5, 2), (12, 5, 1), (15, 5, 1), (13, 6, 1)]
    return dict(
        images=[dict(id=i, file_name=f'COCO_train2014_{i:012d}.jpg', width=90, height=80) for i in (4, 6, 5)],
        annotations=[
            dict(id=number, image_id=image, category_id=kind, bbox=[number, 2, 9, 10], iscrowd=int(number == 15))
            for number, image, kind in items
        ],
        categories=[dict(id=1, name='person'), dict(id=2, name='cake')],
    )


TEXT = """# 0\r
000000000005.jpg\r
90 80\r
4\r
1 14.00 2.00 23.00 12.00  \r
1 11.00 2.00 20.00 12.00  \r
56 30.00 2.00 39.00 12.00  \r
1 12.00 2.00 21.00 12.00  \r
6\r
2 1 11.00 2.00 20.00 12.00 0 0 0 0 0  \r
2 1 12.00 2.00 21.00 12.00 0 0 0 0 0  \r
7 1 12.00 2.00 21.00 12.00 0 0.00 0.00 0.00 0.00  \r
27 1 12.00 2.00 21.00 12.00 0 0.00 0.00 0.00 0.00  \r
8 1 11.00 2.00 20.00 12.00 56 30.00 2.00 39.00 12.00  \r
28 1 11.00 2.00 20.00 12.00 0 0.00 0.00 0.00 0.00  \r
 \r
# 1\r
000000000006.jpg\r
90 80\r
1\r
1 13.00 2.00 22.00 12.00  \r
0\r
"""


def by_name(data, number) -> Counter:
    """Relations of an image as (subject box, predicate, object box or None)."""
    image = next(image for image in data.images if image.img_id == number)
    boxes = [tuple(box) for box in image.boxes.tolist()]
    return Counter(
        (boxes[s], data.names.predicates[p], None if o == NO_OBJECT else boxes[o])
        for s, o, p in image.relations.tolist()
    )


def test_predicates_are_26_actions_and_three_second_roles():
    assert len(PREDICATES) == 29 and len(set(PREDICATES)) == 29
    assert [PREDICATES[i] for i in (0, 1, 6, 7, 14, 25)] == [
        'hold obj',
        'stand',
        'hit instr',
        'eat obj',
        'cut instr',
        'snowboard instr',
    ]
    assert PREDICATES[26:] == ('hit obj', 'eat instr', 'cut obj')
    with_role = [name for name in PREDICATES if ' ' in name]
    assert len(with_role) == 25 and set(PREDICATES) - set(with_role) == {'stand', 'walk', 'run', 'smile'}


def test_roles_are_stored_by_columns(tmp_path):
    people = read_people(write_json(tmp_path / 'a.json', official_content()))
    does = {
        person.annotation: [(PREDICATES[p], thing) for p, thing in person.relations]
        for person in sum(people.values(), [])
    }
    assert does == {
        11: [('stand', None), ('eat obj', 30), ('eat instr', None)],
        12: [('stand', None), ('hit instr', None), ('hit obj', None)],
        13: [],
    }
    assert [person.annotation for person in people[5]] == [11, 12]


def test_official_files_and_text_give_the_same_relations(tmp_path):
    official = read_official(
        write_json(tmp_path / 'v.json', official_content()), write_json(tmp_path / 'c.json', coco_content())
    )
    text = read_everything(write_json(tmp_path / 'e.txt', TEXT), {5: 2, 6: 1})
    assert [image.img_id for image in official.images] == [5, 6] == [image.img_id for image in text.images]
    for number in (5, 6):
        assert by_name(official, number) == by_name(text, number)
    assert official.images[0].annotated.tolist() == [False, True, True, True, False]  # 14, 11, cake, 12, crowd
    assert text.images[0].annotated.tolist() == [False, True, True, True]
    assert official.images[0].file_name == 'COCO_train2014_000000000005.jpg'
    assert official.names.objects == ('person', 'cake') and text.names.objects == NAMES


@pytest.mark.parametrize(
    'annotated, known, kinds',
    [
        (None, False, []),
        ({6: 0}, False, []),
        ({6: 1}, True, []),
        ({6: 2}, False, ['annotated persons without an action not told apart']),
    ],
)
def test_the_number_of_annotated_persons_tells_who_was_annotated(tmp_path, annotated, known, kinds):
    data = read_everything(write_json(tmp_path / 'e.txt', TEXT), annotated)
    assert data.images[1].annotated.tolist() == [known] and kinds_of(data.anomalies) == kinds


@pytest.mark.parametrize(
    'old, new, words',
    [
        ('# 0', '0', '0, a line with # begins an image'),
        ('90 80', '90', '90 is not 2 whole numbers'),
        ('90 80', '90 0', 'size 90 0 is not a size'),
        ('000000000005.jpg', 'five.jpg', 'five.jpg does not end in the number of a COCO image'),
        ('\n4\r', '\n5\r', '6 is not class 1..80 and a box'),
        ('1 14.00', '81 14.00', '81 14.00 2.00 23.00 12.00 is not class 1..80 and a box'),
        ('1 14.00', '1 nan', '1 nan 2.00 23.00 12.00 is not class'),
        ('1 14.00', '1 x', "could not convert string to float: 'x'"),
        ('\n8 1 11', '\n30 1 11', '30 1 11.00 2.00 20.00 12.00 56 30.00 2.00 39.00 12.00 is not a predicate 1..29'),
        ('\n8 1 11', '\n8 2 11', 'is not a predicate 1..29, a person and an object'),
        ('\n8 1 11', '\n8 1 10', 'has a box that is not in the list'),
        ('12.00  \r\n0\r', '12.00  \r\n3\r', 'the file ends too early'),
    ],
)
def test_a_broken_text_is_named(tmp_path, old, new, words):
    assert old in TEXT
    path = write_json(tmp_path / 'e.txt', TEXT.replace(old, new, 1))
    message = error_of(read_everything, path)
    assert message.startswith(f'{path}: image of line ') and words in message


def changed(number, **fields) -> list[dict]:
    content = official_content()
    content[number] |= fields
    return content


@pytest.mark.parametrize(
    'content, words',
    [
        ({}, 'not a list of actions'),
        (official_content()[1:], 'action_name: not the 26 actions'),
        (changed(6, role_name=['agent', 'obj', 'instr']), 'hit.role_name'),
        (changed(6, label=[1]), 'hit.label: 1 numbers, 3 are needed'),
        (changed(6, role_object_id=[0] * 6), 'hit.role_object_id: 6 numbers, 9 are needed'),
        (changed(6, ann_id=[11, 12, 1.5]), 'hit.ann_id: not a list of whole numbers'),
        (changed(6, image_id=None), 'hit.image_id: not a list of whole numbers'),
    ],
)
def test_a_broken_official_file_is_named(tmp_path, content, words):
    path = write_json(tmp_path / 'v.json', content)
    assert error_of(read_people, path).startswith(f'{path}: {words}')


def test_annotations_that_coco_lacks_are_named(tmp_path):
    official, content = write_json(tmp_path / 'v.json', official_content()), coco_content()
    del content['annotations'][2]
    assert 'image 5: annotations: no id 30' in error_of(
        read_official, official, write_json(tmp_path / 'c.json', content)
    )
    content['images'].pop()
    content['annotations'] = []
    assert 'images: no id 5' in error_of(read_official, official, write_json(tmp_path / 'c.json', content))


@settings(WILD, max_examples=100)
@given(st.data())
def test_any_change_of_the_files_is_read_or_refused(tmp_path, data):
    coco = write_json(tmp_path / 'c.json', coco_content())
    official = write_json(tmp_path / 'v.json', change_somewhere(data, official_content()))
    reads_or_refuses(read_official, official, coco)
    words = TEXT.split(' ')
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.text(max_size=4))
    (tmp_path / 'e.txt').write_bytes(' '.join(words).encode('utf-8', 'surrogatepass'))
    reads_or_refuses(read_everything, tmp_path / 'e.txt')


@WILD
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    (tmp_path / 'a').write_bytes(content)
    for read in (read_everything, read_people, read_vcoco_pairs):
        reads_or_refuses(read, tmp_path / 'a')


def pair_content() -> dict:
    """instances_vcoco_train.json of one image: a person holds and cuts a cake."""
    boxes = dict(boxes_h=[[1, 2, 30, 40]] * 2, boxes_o=[[20, 20, 30.5, 30]] * 2)
    entry = dict(boxes, actions=[0, 1], objects=[56, 56], file_name='COCO_train2014_000000000005.jpg')
    return dict(annotations=[entry], classes=['hold obj', 'cut obj'], objects=['background', *NAMES], images=[5])


def test_pair_lists_become_objects_and_relations(tmp_path):
    image = read_vcoco_pairs(write_json(tmp_path / 'a.json', pair_content())).images[0]
    assert image.boxes.tolist() == [[1, 2, 30, 40], [20, 20, 30.5, 30]]
    assert [NAMES[label] for label in image.labels] == ['person', 'cake']
    assert image.relations.tolist() == [[0, 1, 0], [0, 1, 1]]
    assert (image.img_id, image.width, image.height) == (5, 31, 40)


@settings(WILD, max_examples=100)
@given(st.data())
def test_any_change_of_pair_lists_is_read_or_refused(tmp_path, data):
    reads_or_refuses(read_vcoco_pairs, write_json(tmp_path / 'a.json', change_somewhere(data, pair_content())))


def test_the_fullest_form_that_is_there_is_read(tmp_path):
    write_json(tmp_path / 'everything_train.txt', TEXT)
    assert len(read_split(tmp_path, 'train').images[0].boxes) == 4 and read_split(tmp_path, 'val') is None
    assert kinds_of(read_split(tmp_path, 'train').anomalies) == ['persons without an action taken as not annotated']
    write_json(tmp_path / 'vcoco_train.json', official_content())
    assert read_split(tmp_path, 'train').images[1].annotated.tolist() == [True]
    (tmp_path / 'annotations').mkdir()
    write_json(tmp_path / 'annotations/instances_train2014.json', coco_content())
    assert len(read_split(tmp_path, 'train').images[0].boxes) == 5


@cache
def forms(folder, split):
    """Persons of the official json, and the sets of the text and of the pair lists."""
    people = read_people(folder / f'vcoco_{split}.json')
    return people, read_split(folder, split), read_vcoco_pairs(folder / f'instances_vcoco_{split}.json')


@pytest.mark.parametrize('split', SPLITS)
def test_the_real_files_hold_what_is_published(real_data, split):
    people, text, pairs = forms(real_data('vcoco'), split)
    images, persons = SPLITS[split]
    assert len(people) == len(text.images) == len(pairs.images) == images
    assert sum(map(len, people.values())) == persons
    assert set(people) == {image.img_id for image in text.images} == {image.img_id for image in pairs.images}


@pytest.mark.parametrize('split', SPLITS)
def test_text_and_official_json_agree_in_every_image(real_data, split):
    """One to one, annotation ids against boxes: the text has the rows of the json by action, then person, then role."""
    people, text, _ = forms(real_data('vcoco'), split)
    action = {name: i for i, name in enumerate(ACTIONS)}
    for image in text.images:
        rows = [(person.annotation, thing, p) for person in people[image.img_id] for p, thing in person.relations]
        rows.sort(key=lambda row: action[PREDICATES[row[2]].split()[0]])
        assert [row[2] for row in rows] == image.relations[:, 2].tolist()
        boxes = [tuple(box) for box in image.boxes.tolist()]
        box_of = defaultdict(set)
        for (person, thing, _), (subject, at, _) in zip(rows, image.relations.tolist(), strict=True):
            assert (thing is None) == (at == NO_OBJECT)
            box_of[person].add(boxes[subject])
            box_of[thing].add(boxes[at] if at != NO_OBJECT else None)
        assert all(len(each) == 1 for each in box_of.values())
        used = [each.pop() for each in box_of.values()]
        assert len(set(used)) == len(used) - (image.img_id == TWO_EQUAL_BOXES)
        known = sum(image.annotated[image.labels == 0])
        assert known <= len(people[image.img_id])


@pytest.mark.parametrize('split', SPLITS)
def test_text_and_pair_lists_agree_in_every_image(real_data, split):
    _, text, pairs = forms(real_data('vcoco'), split)
    assert len(pairs.names.predicates) == 24 and 'point instr' not in pairs.names.predicates
    by_id = {image.img_id: image for image in pairs.images}

    def rows(image, predicates) -> Counter:
        """(box, box, class, predicate) in hundredths of a pixel, as the text has them."""
        places = [tuple(box) for box in np.round(image.boxes.astype(float) * 100).astype(int).tolist()]
        return Counter(
            (places[s], places[o], int(image.labels[o]), predicates[p])
            for s, o, p in image.relations.tolist()
            if o != NO_OBJECT and predicates[p] in pairs.names.predicates
        )

    for image in text.images:
        assert rows(image, text.names.predicates) == rows(by_id[image.img_id], pairs.names.predicates)


@pytest.mark.parametrize('split, unknown', [('train', 24), ('val', 19)])
def test_nearly_all_annotated_persons_are_known(real_data, split, unknown):
    people, text, _ = forms(real_data('vcoco'), split)
    known = sum(int(image.annotated[image.labels == 0].sum()) for image in text.images)
    assert known == sum(map(len, people.values())) - unknown
    assert set(kinds_of(text.anomalies)) == {'annotated persons without an action not told apart'}


def test_official_json_with_real_boxes_of_coco_gives_what_the_text_says(real_data, tmp_path):
    """COCO's boxes of one V-COCO image (319492, val) are among the sample images of COCO 2017, with the same ids."""
    coco = real_data('coco_tiny') / 'annotations/instances_train2017.json'
    content = write_json(tmp_path / 'v.json', only_image(real_data('vcoco') / 'vcoco_val.json', 319492))
    found = read_official(content, coco).images[0]
    _, text, _ = forms(real_data('vcoco'), 'val')
    want = next(image for image in text.images if image.img_id == 319492)
    assert found.relations.tolist() == want.relations.tolist() and len(want.relations) > 0
    assert found.labels.tolist() == want.labels.tolist() and found.annotated.tolist() == want.annotated.tolist()
    np.testing.assert_allclose(found.boxes, want.boxes, atol=0.011)  # the text has two decimals of x + width


def only_image(path, number) -> list[dict]:
    """The official json, cut down to one image."""
    content = json.loads(path.read_text())
    for action in content:
        kept = [i for i, image in enumerate(action['image_id']) if image == number]
        columns = np.array(action['role_object_id']).reshape(len(action['role_name']), -1)[:, kept]
        action['role_object_id'] = columns.ravel().tolist()
        for key in ('image_id', 'ann_id', 'label'):
            action[key] = [action[key][i] for i in kept]
    return content


def test_the_real_folder_is_prepared(real_data, tmp_path):
    out = read_vcoco(real_data('vcoco'))
    assert {name: out.counts[name] for name in out.official} == out.official
    assert {name.partition('/')[0] for name in out.links} == {'images'} and len(out.links) == 12
    assert set(kinds_of(out.anomalies)) == {
        'missing image',
        'split not found',
        'annotated persons without an action not told apart',
    }
    again = read_relations(write_json(tmp_path / 'a.json', out.texts['annotations/val.json']))
    assert by_name(again, 319492) == by_name(forms(real_data('vcoco'), 'val')[1], 319492)
