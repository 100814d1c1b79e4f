"""HICO-DET in its three forms gives one set; on the real annotations the official counts hold."""

import copy
import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sabra_data_cases import assert_same_set, change_somewhere, error_of, kinds_of, reads_or_refuses, write_json
from scipy.io import loadmat, savemat

from detplug.cli.prepare_data import main
from plugins.sabra.data.coco_names import IDS, NAMES
from plugins.sabra.data.counts import count_set, count_triplets
from plugins.sabra.data.hico_annotations import read_annotations, whole
from plugins.sabra.data.hico_det import read_hico_det
from plugins.sabra.data.hico_mat import read_mat
from plugins.sabra.data.hico_names import hico_names, read_class_list
from plugins.sabra.data.hico_pairs import read_pair_lists
from plugins.sabra.data.relation_file import read_relations

WILD = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
CLASSES = [('dog', 'hold'), ('dog', 'pet'), ('hot_dog', 'hold'), ('person', 'pet')]
OBJECTS, VERBS = ['dog', 'hot_dog', 'person'], ['hold', 'pet']
SIZE = (60, 40)
# a pair is (person box, object box, class from 0); boxes are xyxy, 1-based. The first person stands in three pairs.
ANNA, BEN, DOG, LUNCH = (1, 1, 20, 40), (30, 2, 50, 39), (10, 20, 25, 40), (18, 11, 22, 15)
PICTURES = {
    'HICO_test2015_00000003.jpg': [(ANNA, DOG, 0), (ANNA, DOG, 1), (BEN, DOG, 1), (ANNA, LUNCH, 2), (ANNA, BEN, 3)],
    'HICO_test2015_00000010.jpg': [],
}


def pair_lists(pictures=PICTURES, base=1) -> dict:
    """The hicodet json."""
    ids = [(number, OBJECTS.index(thing), VERBS.index(verb)) for number, (thing, verb) in enumerate(CLASSES)]
    annotation = [
        dict(
            boxes_h=[list(map(float, person)) for person, _, _ in pairs],
            boxes_o=[list(map(float, thing)) for _, thing, _ in pairs],
            **{
                key: [ids[number][at] + base for *_, number in pairs]
                for at, key in enumerate(('hoi', 'object', 'verb'))
            },
        )
        for pairs in pictures.values()
    ]
    return dict(
        annotation=annotation,
        filenames=list(pictures),
        size=[list(SIZE)] * len(pictures),
        objects=OBJECTS,
        verbs=VERBS,
        correspondence=[list(row) for row in ids],
        rare=[2],
        non_rare=[0, 1, 3],
    )


def structs(rows: list[dict]) -> np.ndarray:
    """(1, N) MATLAB struct array."""
    out = np.empty((1, len(rows)), [(key, object) for key in rows[0]]) if rows else np.empty((0, 0))
    for i, row in enumerate(rows):
        out[0, i] = tuple(row.values())
    return out


def mat_file(path, pictures=PICTURES, **changes):
    """anno_bbox.mat: for each class of an image lists of persons and objects, connected by rows; fields x1 x2 y1 y2."""

    def boxes(rows):
        return structs([dict(x1=a, x2=c, y1=b, y2=d) for a, b, c, d in rows])

    def hoi(number, pairs):
        people, things = (list(dict.fromkeys(pair[at] for pair in pairs)) for at in (0, 1))
        rows = [[people.index(person) + 1, things.index(thing) + 1] for person, thing, _ in pairs]
        return dict(id=number + 1, bboxhuman=boxes(people), bboxobject=boxes(things), connection=rows, invis=0)

    records = []
    for name, pairs in pictures.items():
        numbers = list(dict.fromkeys(pair[2] for pair in pairs))
        hois = [hoi(number, [pair for pair in pairs if pair[2] == number]) for number in numbers]
        unseen = dict(
            id=4, bboxhuman=np.zeros((0, 0)), bboxobject=np.zeros((0, 0)), connection=np.zeros((0, 0)), invis=1
        )
        size = structs([dict(width=SIZE[0], height=SIZE[1], depth=3)])
        records.append(dict(filename=name, size=size, hoi=structs([*hois, unseen])))
    listed = structs([dict(nname=thing, vname=verb) for thing, verb in CLASSES])
    savemat(path, dict(bbox_test=structs(records), list_action=listed.T) | changes)
    return path


def qpic_content(pictures=PICTURES) -> list[dict]:
    """test_hico.json: boxes 0-based, COCO's ids, verbs from 1."""
    coco = {name.replace(' ', '_'): number for name, number in zip(NAMES, IDS, strict=True)}
    content = []
    for name, pairs in pictures.items():
        boxes, relations = [], []
        for person, thing, number in pairs:
            label, verb = CLASSES[number]
            for box, kind in ((person, 'person'), (thing, label)):
                boxes.append(dict(bbox=[x - 1 for x in box], category_id=coco[kind]))
            ends = dict(subject_id=len(boxes) - 2, object_id=len(boxes) - 1)
            relations.append(dict(ends, category_id=VERBS.index(verb) + 1, hoi_category_id=number + 1))
        content.append(dict(file_name=name, img_id=1, annotations=boxes, hoi_annotation=relations))
    return content


def qpic_folder(folder, content):
    (folder / 'annotations').mkdir(parents=True)
    write_json(folder / 'annotations/test_hico.json', content)
    lines = [f'{i:03d}  {thing}  {verb}' for i, (thing, verb) in enumerate(CLASSES, 1)]
    (folder / 'hico_list_hoi.txt').write_text('\n'.join(['id   object   verb', '-----', *lines]))
    (folder / 'images/test2015').mkdir(parents=True)
    for name in PICTURES:
        Image.new('RGB', SIZE).save(folder / 'images/test2015' / name)
    return folder


def test_the_set_is_what_the_pairs_say(tmp_path):
    data = read_pair_lists(write_json(tmp_path / 'a.json', pair_lists()))
    first, empty = data.images
    assert (first.img_id, first.file_name, first.width, first.height) == (3, 'HICO_test2015_00000003.jpg', *SIZE)
    assert first.boxes.tolist() == [[x - 1 for x in box] for box in (ANNA, DOG, BEN, LUNCH)]
    assert [OBJECTS[label] for label in first.labels] == ['person', 'dog', 'person', 'hot_dog']
    assert first.relations.tolist() == [[0, 1, 0], [0, 1, 1], [2, 1, 1], [0, 3, 0], [0, 2, 1]]
    assert len(empty.boxes) == len(empty.relations) == 0
    assert data.names.triplets.tolist() == [[0, 0], [0, 1], [1, 0], [2, 1]] and data.anomalies == []
    assert data.names.rare.tolist() == [False, False, True, False]


def test_ids_in_the_lists_may_begin_at_0(tmp_path):
    both = [read_pair_lists(write_json(tmp_path / f'{base}.json', pair_lists(base=base))) for base in (0, 1)]
    assert_same_set(*both)


def test_the_original_file_gives_the_same_set(tmp_path):
    want = read_pair_lists(write_json(tmp_path / 'a.json', pair_lists()))
    found = read_mat(mat_file(tmp_path / 'anno_bbox.mat'))['test']
    want.names = found.names  # rare classes stand in the json only
    assert_same_set(found, want)
    assert kinds_of(found.anomalies) == ['class not visible skipped'] * 2


def test_the_list_of_boxes_and_relations_gives_the_same_set(tmp_path):
    data = read_relations_of(qpic_folder(tmp_path / 'src', qpic_content()), tmp_path)
    want = read_pair_lists(write_json(tmp_path / 'a.json', pair_lists()))
    want.names = data.names
    assert_same_set(data, want)


def read_relations_of(src, tmp_path, split='test'):
    return read_relations(write_json(tmp_path / 'out.json', read_hico_det(src).texts[f'annotations/{split}.json']))


def test_ids_out_of_range_are_skipped_and_counted(tmp_path):
    content = qpic_content()
    rows = content[0]['hoi_annotation']
    rows[0]['category_id'] = '1\n'  # found in the real file: a verb as text with a line break
    rows += [
        rows[0] | change
        for change in (dict(category_id=3), dict(category_id=0), dict(object_id=10), dict(subject_id=-1))
    ]
    rows += ['nonsense', dict(subject_id=0)]
    out = read_hico_det(qpic_folder(tmp_path / 'src', content))
    assert out.counts['test relations'] == 5
    assert kinds_of(out.anomalies).count('relation with an id out of range skipped') == 6
    assert whole('73\n') == 73 and whole(True) is None and whole(1.0) is None and whole('x') is None


def test_without_pictures_the_extent_of_the_boxes_is_the_size(tmp_path):
    src = qpic_folder(tmp_path / 'src', qpic_content())
    for name in PICTURES:
        (src / 'images/test2015' / name).unlink()
    data = read_relations_of(src, tmp_path)
    assert [(image.width, image.height) for image in data.images] == [(49, 39), (1, 1)]
    assert kinds_of(read_hico_det(src).anomalies).count('size not known') == 2


def test_a_pair_against_the_table_is_skipped_and_listed(tmp_path):
    content = pair_lists()
    content['annotation'][0]['verb'][0] = 2
    content['annotation'][0]['hoi'][1] = 99
    content['annotation'][0]['boxes_o'][2] = [1, 2, 3]
    data = read_pair_lists(write_json(tmp_path / 'a.json', content))
    assert kinds_of(data.anomalies) == ['pair against the table of classes skipped'] * 2 + [
        'pair with a broken box skipped'
    ]
    assert len(data.images[0].relations) == 2


def test_rare_classes_are_counted_in_the_training_split(tmp_path):
    pictures = {f'HICO_train2015_{i:08d}.jpg': [(ANNA, DOG, 1)] * 5 for i in range(2)} | {
        'HICO_train2015_9.jpg': [(ANNA, DOG, 0)] * 9
    }
    train = loadmat(mat_file(tmp_path / 'train.mat', pictures))['bbox_test']
    (tmp_path / 'src').mkdir()
    mat_file(tmp_path / 'src/anno_bbox.mat', bbox_train=train)
    out = read_hico_det(tmp_path / 'src')
    for split in ('train', 'test'):
        names = read_relations_of(tmp_path / 'src', tmp_path, split).names
        assert names.rare.tolist() == [True, False, True, True]
    assert out.counts['rare classes'] == 3 and out.counts['train relations'] == 19


def test_a_test_split_alone_does_not_tell_which_classes_are_rare(tmp_path):
    (tmp_path / 'src').mkdir()
    mat_file(tmp_path / 'src/anno_bbox.mat')
    out = read_hico_det(tmp_path / 'src')
    assert 'rare classes not known' in kinds_of(out.anomalies) and 'rare classes' not in out.official
    assert read_relations_of(tmp_path / 'src', tmp_path).names.rare is None


def test_images_of_train_are_held_out_to_choose_by(tmp_path):
    """A checkpoint that is chosen on the test set reports what it was chosen by."""
    pairs = PICTURES['HICO_test2015_00000003.jpg']
    for split, name in (('train', 'trainval'), ('test', 'test')):
        content = qpic_content({f'{split}_{number}.jpg': pairs for number in range(20)})
        qpic_folder(tmp_path / split, content)
        (tmp_path / f'{name}_hico.json').write_text((tmp_path / split / 'annotations/test_hico.json').read_text())
    (tmp_path / 'hico_list_hoi.txt').write_text((tmp_path / 'test/hico_list_hoi.txt').read_text())
    lists = json.loads(read_hico_det(tmp_path).texts['splits.json'])
    assert set(lists) == {'train', 'held_out'}
    held = lists['held_out']
    assert len(held) == 2 and not set(held) & set(lists['train'])
    assert sorted(held + lists['train']) == sorted(f'train_{number}.jpg' for number in range(20))


def test_the_command_writes_annotations_and_links_pictures(tmp_path, capsys):
    src = qpic_folder(tmp_path / 'src', qpic_content())
    for _ in range(2):
        main(['hico-det', str(src), '--out', str(tmp_path / 'out')])
    assert sorted(path.name for path in (tmp_path / 'out/images').iterdir()) == sorted(PICTURES)
    assert json.loads((tmp_path / 'out/counts.json').read_text())['test relations'] == 5
    assert '9658' in capsys.readouterr().out


@WILD
@given(st.data())
def test_any_change_of_the_files_is_read_or_refused(tmp_path, data):
    content = change_somewhere(data, copy.deepcopy(pair_lists()))
    reads_or_refuses(read_pair_lists, write_json(tmp_path / 'a.json', content))
    names = hico_names(CLASSES, 'test')
    content = change_somewhere(data, qpic_content())
    reads_or_refuses(read_annotations, write_json(tmp_path / 'b.json', content), names, tmp_path)


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(annotation=[]), 'annotation, filenames, size: not lists of equal length'),
        (dict(filenames=[3, 4]), 'filenames, size: 3'),
        (dict(size=[[60, 0], [60, 40]]), 'filenames, size'),
        (dict(objects=['dog', 'person']), 'correspondence: not a table'),
        (dict(verbs=['pet', 'hold']), 'correspondence: does not fit'),
        (dict(correspondence=[[0, 0, 0]]), 'list of classes: not HICO-DET'),
        (dict(annotation=[pair_lists()['annotation'][0], dict(hoi=[])]), 'annotation[1]: boxes_h, boxes_o'),
        (dict(annotation=[pair_lists()['annotation'][1] | dict(hoi=['1'])] * 2), 'annotation[0]: boxes_h'),
    ],
)
def test_a_broken_pair_list_is_named(tmp_path, change, words):
    path = write_json(tmp_path / 'a.json', pair_lists() | change)
    assert error_of(read_pair_lists, path).startswith(f'{path}: {words}')


def test_a_broken_mat_file_is_named(tmp_path):
    path = tmp_path / 'anno_bbox.mat'
    assert 'not readable as a MATLAB file' in error_of(read_mat, path)
    path.write_bytes(b'MATLAB 5.0 MAT-file' + bytes(300))
    assert str(path) in error_of(read_mat, path)
    savemat(path, dict(bbox_test=np.zeros((1, 2)), list_action=structs([dict(nname='person', vname='hold')])))
    assert 'bbox_test[0]: not as HICO-DET has it' in error_of(read_mat, path)
    savemat(path, dict(bbox_test=np.zeros((1, 2))))
    assert 'list_action' in error_of(read_mat, path)


def test_a_connection_to_no_box_is_skipped_and_listed(tmp_path):
    content = loadmat(mat_file(tmp_path / 'a.mat'), variable_names=['bbox_test', 'list_action'])
    content = {key: content[key] for key in ('bbox_test', 'list_action')}
    content['bbox_test'][0, 0]['hoi'][0, 0]['connection'] = np.array([[1, 1], [1, 9]])
    savemat(tmp_path / 'b.mat', content)
    data = read_mat(tmp_path / 'b.mat')['test']
    assert kinds_of(data.anomalies)[0] == 'pair without box skipped' and len(data.images[0].relations) == 5


@cache
def read_once(path):
    return json.loads(path.read_text()), read_pair_lists(path)


@pytest.fixture
def official(real_data):
    """(json, set) of the real test annotations."""
    return read_once(real_data('hico') / 'instances_test2015.json')


def test_every_real_pair_is_there_once(official):
    content, data = official
    assert len(data.images) == 9658 and data.anomalies == []
    pairs = 0
    for entry, image in zip(content['annotation'], data.images, strict=True):
        rows = zip(*(entry[key] for key in ('boxes_h', 'boxes_o', 'object', 'verb')), strict=True)
        want = Counter((tuple(x - 1 for x in s), tuple(x - 1 for x in o), label, verb) for s, o, label, verb in rows)
        boxes = [tuple(box) for box in image.boxes.tolist()]
        found = Counter((boxes[s], boxes[o], int(image.labels[o]), p) for s, o, p in image.relations.tolist())
        assert found == want and len(set(zip(boxes, image.labels.tolist(), strict=True))) == len(boxes)
        assert {int(image.labels[s]) for s in image.relations[:, 0]} <= {49}
        pairs += sum(want.values())
    assert pairs == 33405


def test_every_real_relation_is_a_label_of_its_image(official, real_data):
    content = loadmat(real_data('hico') / 'anno.mat', variable_names=['list_test', 'anno_test'])
    column = {name.item(): i for i, name in enumerate(content['list_test'][:, 0])}
    names, table = official[1].names, np.zeros((80, 117), int)
    table[names.triplets[:, 0], names.triplets[:, 1]] = np.arange(600)
    for image in official[1].images:
        classes = table[image.labels[image.relations[:, 1]], image.relations[:, 2]]
        assert (content['anno_test'][classes, column[image.file_name]] == 1).all()


def test_real_names_and_rare_classes(official, real_data):
    _, data = official
    names, folder = data.names, real_data('hico')
    assert (len(names.objects), len(names.predicates), names.triplets.shape) == (80, 117, (600, 2))
    listed = read_class_list(folder / 'hico_list_hoi.txt')
    assert [(names.objects[thing], names.predicates[verb]) for thing, verb in names.triplets] == listed
    np.testing.assert_array_equal(names.rare, np.load(folder / 'num_inst.npy') < 10)
    assert names.rare.sum() == 138 and {name.replace('_', ' ') for name in names.objects} == set(NAMES)
    assert count_triplets(data).sum() == 33405 and count_set(data)['images without relations'] == 112


def test_the_real_download_is_prepared_without_surprise(official, real_data, tmp_path):
    out = read_hico_det(real_data('hico'))
    assert {name: out.counts[name] for name in out.official} == out.official
    assert kinds_of(out.anomalies) == ['no pictures', 'split not found']
    data = read_relations(write_json(tmp_path / 'a.json', out.texts['annotations/test.json']))
    assert_same_set(data, official[1])
    assert data.anomalies == [] and out.links == {'anno.mat': real_data('hico') / 'anno.mat'}
