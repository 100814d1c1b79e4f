"""The data set of relations: labels by name, nothing left out, the truth carried to the metric."""

import json
import pickle

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from sabra_data_cases import error_of, relation_content, small_set, write_json

import detplug.register  # noqa: F401
from detplug.errors import UserError
from plugins.sabra.data.dataset import RelationDataset
from plugins.sabra.data.relation_file import read_relations

KEYS = ('img_id', 'ori_shape', 'relation_truth')
PACK = dict(type='PackDetInputs', meta_keys=KEYS)
PIXELS = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), PACK]


def build(folder, content=None, **kwargs) -> RelationDataset:
    write_json(folder / 'ann.json', relation_content() if content is None else content)
    kwargs = dict(data_prefix=dict(img='img'), test_mode=True) | kwargs
    return DATASETS.build(dict(type='RelationDataset', data_root=str(folder), ann_file='ann.json', **kwargs))


def test_by_default_the_names_of_the_file(tmp_path):
    dataset = build(tmp_path)
    want = small_set()
    assert dataset.metainfo['classes'] == want.names.objects and dataset.metainfo['predicates'] == want.names.predicates
    assert dataset.metainfo['triplets'] == ((0, 0), (1, 2), (2, 1)) and dataset.metainfo['rare'] == (True, False, False)
    item = dataset[0]
    assert (item['img_id'], item['width'], item['height']) == (7, 48, 32)
    assert item['img_path'] == str(tmp_path / 'img/a.jpg')
    assert [(x['bbox'], x['bbox_label'], x['ignore_flag']) for x in item['instances']] == [
        ([1, 2, 21, 32], 2, 0),
        ([5, 6, 9.5, 11], 0, 0),
        ([0, 20, 48, 32], 1, 0),
    ]
    for field in ('boxes', 'labels', 'relations', 'annotated'):
        np.testing.assert_array_equal(getattr(item['relation_truth'], field), getattr(want.images[0], field))
    assert len(dataset) == 2 and dataset[1]['instances'] == []


def test_labels_follow_the_lists_of_the_config(tmp_path):
    classes, predicates = ('person', 'table', 'cup'), ('on', 'hold', 'smile')
    dataset = build(tmp_path, metainfo=dict(classes=classes, predicates=predicates))
    assert dataset.metainfo['classes'] == classes and dataset.metainfo['predicates'] == predicates
    item = dataset[0]
    truth = item['relation_truth']
    assert [classes[x['bbox_label']] for x in item['instances']] == ['person', 'cup', 'table']
    assert [classes[label] for label in truth.labels] == ['person', 'cup', 'table']
    assert [(s, o, predicates[p]) for s, o, p in truth.relations] == [(0, 1, 'hold'), (0, -1, 'smile'), (1, 2, 'on')]
    triplets = [(classes[thing], predicates[verb]) for thing, verb in dataset.metainfo['triplets']]
    assert triplets == [('cup', 'hold'), ('table', 'on'), ('person', 'smile')]
    assert dataset.metainfo['rare'] == (True, False, False)


@pytest.mark.parametrize(
    'metainfo, words',
    [
        (dict(classes='cup'), "classes: cup is not a tuple of names; write ('a', 'b')"),
        (dict(classes=3), 'classes: 3 is not a tuple of names'),
        (
            dict(classes=('cup', 'table')),
            "classes: not in the config: 'person'; the file has [cup, table, person]; the config has [cup, table]",
        ),
        (
            dict(classes=('cup', 'table', 'Persons', 'person')),
            "classes: not in the file: 'Persons' (did you mean 'person'?)",
        ),
        (dict(classes=('cup', 'cup', 'table', 'person')), "classes: listed twice in the config: 'cup'"),
        (dict(predicates=('hold', 'smil', 'on')), "predicates: not in the file: 'smil' (did you mean 'smile'?)"),
        (dict(predicates=()), "predicates: not in the config: 'hold', 'smile', 'on'"),
    ],
)
def test_names_that_do_not_match_are_refused(tmp_path, metainfo, words):
    message = error_of(lambda: build(tmp_path, metainfo=metainfo))
    assert message.startswith(f'{tmp_path}/ann.json: {words}')


def test_degenerate_and_crowd_boxes_stay_and_are_ignored(tmp_path):
    content = relation_content()
    content['annotations'][1]['bbox'] = [5, 6, 0, 5]
    content['annotations'][2]['iscrowd'] = 1
    dataset = build(tmp_path, content)
    assert [x['ignore_flag'] for x in dataset[0]['instances']] == [0, 1, 1]
    assert len(dataset[0]['relation_truth'].boxes) == 3 and len(dataset.anomalies) == 2


def test_a_list_selects_the_images_of_a_split(tmp_path):
    write_json(tmp_path / 'splits.json', dict(train=['b.jpg'], val=['a', 'b']))
    assert [x['img_id'] for x in build(tmp_path, images_file='splits.json', images_key='train')] == ['b']
    assert [x['img_id'] for x in build(tmp_path, images_file='splits.json', images_key='val')] == [7, 'b']
    assert "no list 'test'" in error_of(lambda: build(tmp_path, images_file='splits.json', images_key='test'))
    assert 'needs images_file' in error_of(lambda: build(tmp_path, images_key='val'))
    write_json(tmp_path / 'splits.json', dict(train=['c.jpg']))
    assert 'c.jpg' in error_of(lambda: build(tmp_path, images_file='splits.json', images_key='train'))


def test_an_option_that_would_do_nothing_is_refused(tmp_path):
    assert 'filter_cfg' in error_of(lambda: build(tmp_path, filter_cfg=dict(filter_empty_gt=True)))


def test_without_a_loading_transform_no_picture_is_needed(tmp_path):
    packs = build(tmp_path, pipeline=[dict(type='PackDetInputs', meta_keys=('img_id', 'relation_truth'))])
    sample = packs[0]['data_samples']
    assert sample.relation_truth.relations.shape == (3, 3) and sample.img_id == 7


def picture(path, size=(48, 32)):
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.zeros((size[1], size[0], 3), np.uint8))


@pytest.mark.parametrize('test_mode', [True, False])
def test_pictures_are_loaded_and_the_truth_is_packed(tmp_path, test_mode):
    dataset = build(tmp_path, pipeline=PIXELS, test_mode=test_mode)
    picture(tmp_path / 'img/a.jpg')
    packed = dataset[0]
    assert packed['inputs'].shape == (3, 32, 48)
    assert packed['data_samples'].gt_instances.labels.tolist() == [2, 0, 1]
    assert packed['data_samples'].relation_truth.img_id == 7
    assert 'b.jpg: image not found' in error_of(lambda: dataset[1])
    (tmp_path / 'img/a.jpg').write_bytes((tmp_path / 'img/a.jpg').read_bytes()[:-40])
    if test_mode:
        assert 'a.jpg: image file is cut off' in error_of(lambda: dataset[0])
    (tmp_path / 'img/a.jpg').write_bytes(b'no picture')
    assert 'a.jpg: ' in error_of(lambda: dataset[0])


def test_metainfo_and_items_are_plain_data(tmp_path):
    dataset = build(tmp_path)
    assert json.loads(json.dumps(dataset.metainfo)) == json.loads(json.dumps(build(tmp_path).metainfo))
    assert dataset.metainfo == build(tmp_path).metainfo
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(dataset))[0]['relation_truth'].boxes, small_set().images[0].boxes
    )


def test_files_without_triplets(tmp_path):
    content = relation_content()
    del content['triplets']
    metainfo = build(tmp_path, content).metainfo
    assert metainfo['triplets'] is None and metainfo['rare'] is None


def test_boxes_without_area_in_the_picture_are_counted_as_other_readers_do(tmp_path):
    """Kept, since relations point at them; but a training on them asks for --accept-anomalies."""
    content = relation_content()
    content['annotations'][1]['bbox'] = [60, 6, 4.5, 5]
    content['annotations'][2]['bbox'] = [0, 20, 60, 12]
    audit = build(tmp_path, content).audit
    assert (audit.images, audit.boxes, audit.unusable, audit.targets) == (2, 3, 1, 3) and audit.too_many_unusable()
    assert audit.kinds == {'box outside the image kept': 1, 'box over the edge kept': 1}
    (tmp_path / 'list.txt').write_text('b.jpg')
    assert build(tmp_path, content, images_file='list.txt').audit.targets == 0


def test_sizes_that_the_file_lacks_are_those_of_the_pictures(tmp_path):
    content = relation_content()
    for image in content['images']:
        del image['height']
        (tmp_path / 'img').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / 'img' / image['file_name']), np.zeros((32, 48, 3), np.uint8))
    items = list(build(tmp_path, content))
    assert [(x['width'], x['height'], x['relation_truth'].height) for x in items] == [(48, 32, 32)] * 2
    (tmp_path / 'img/b.jpg').unlink()
    with pytest.raises(UserError, match=r'ann\.json: images: b\.jpg: width, height: missing'):
        build(tmp_path, content)
    with pytest.raises(UserError, match='write the size of the image'):
        read_relations(tmp_path / 'ann.json')


@pytest.mark.parametrize('names', ['[]', '["a", "a.jpg"]'])
def test_a_list_of_no_or_doubled_images_is_one_line(tmp_path, names):
    (tmp_path / 'list.json').write_text(names)
    with pytest.raises(UserError, match=r'list\.json: names: (lists no image|a and a.jpg are one image)'):
        build(tmp_path, images_file='list.json')


def test_an_item_does_not_copy_the_names(tmp_path, monkeypatch):
    """mmengine's metainfo is a deep copy, which took longer than all else of an item."""
    dataset = build(tmp_path, pipeline=[])
    monkeypatch.setattr(RelationDataset, 'metainfo', property(lambda self: pytest.fail('copied')))
    item = dataset[0]
    assert item['classes'] == small_set().names.objects and item['predicates'] == small_set().names.predicates
    assert len(dataset.get_cat_ids(0)) == len(item['relation_truth'].relations) + len(item['instances'])
