"""The COCO data set: labels by name, unknowns apart, nothing lost silently, every wrong input one line."""

import json

import numpy as np
import pytest
from tiny_sets import coco_content, write_coco

from detplug.data import CheckedCocoDataset
from detplug.errors import UserError

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='mmdet.Letterbox', scale=(64, 64)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape', 'scale_factor', 'instances')),
]


def build(root, classes=('egg', 'worm', 'cyst'), **kwargs) -> CheckedCocoDataset:
    kwargs = dict(data_prefix=dict(img='img'), metainfo=dict(classes=classes), test_mode=True) | kwargs
    return CheckedCocoDataset(data_root=str(root), ann_file='ann.json', **kwargs)


def test_labels_follow_the_names_whatever_the_order_of_the_file(tmp_path):
    dataset = build(write_coco(tmp_path))  # categories worm, egg, cyst; classes egg, worm, cyst
    lefts = {instance['bbox_label']: instance['bbox'][0] for instance in dataset[0]['instances']}
    assert lefts == {1: 2, 0: 6, 2: 10}  # boxes of worm, egg, cyst begin at 2, 6, 10
    assert dataset.metainfo['classes'] == ('egg', 'worm', 'cyst')


def test_a_misspelt_class_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"'wrom' \(did you mean 'worm'\?\).*\[worm, egg, cyst\].*\[egg, wrom, cyst\]"):
        build(write_coco(tmp_path), ('egg', 'wrom', 'cyst'))


def test_a_bare_string_is_refused_even_where_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'egg').mkdir()
    with pytest.raises(UserError, match="write \\('egg',\\)"):
        build(write_coco(tmp_path), 'egg')


def test_unknown_boxes_are_kept_apart_and_ignored_ones_hold_any_class(tmp_path):
    dataset = build(write_coco(tmp_path), ('egg',), unknown_classes=('worm',), ignore_classes=('cyst',))
    item = dataset[0]
    assert [(x['bbox_label'], x['ignore_flag']) for x in item['instances']] == [(0, 0), (0, 1)]
    assert [(x['name'], x['bbox'][0]) for x in item['unknown_instances']] == [('worm', 2)]
    dataset = build(tmp_path, ('egg', 'worm'), ignore_classes=('cyst',))
    ignored = [(x['bbox_label'], x['bbox'][0]) for x in dataset[0]['instances'] if x['ignore_flag']]
    assert ignored == [(0, 10), (1, 10)]
    assert dataset.metainfo['ignore_classes'] == ('cyst',)


def test_crowds_are_ignored_under_their_class(tmp_path):
    content = coco_content()
    content['annotations'][0]['iscrowd'] = 1
    flags = {x['bbox_label']: x['ignore_flag'] for x in build(write_coco(tmp_path, content))[0]['instances']}
    assert flags == {1: 1, 0: 0, 2: 0}


@pytest.mark.parametrize('test_mode', [True, False])
def test_an_image_without_boxes_is_kept_and_loads(tmp_path, test_mode):
    dataset = build(write_coco(tmp_path), test_mode=test_mode, pipeline=PIPELINE)
    assert len(dataset) == 3
    packed = dataset[2]['data_samples']
    assert packed.gt_instances.bboxes.tensor.shape == (0, 4) and packed.metainfo['instances'] == []


def test_empty_images_are_dropped_only_where_asked(tmp_path):
    dataset = build(write_coco(tmp_path), test_mode=False, filter_cfg=dict(filter_empty_gt=True))
    assert len(dataset) == 2 and dataset.anomalies[-1].startswith('image dropped by filter_cfg')


def test_named_splits_and_images_left_out(tmp_path):
    write_coco(tmp_path)
    (tmp_path / 'splits.json').write_text(json.dumps(dict(a=['2.png', '0.png'], b=['1'], unscored=['0.png'])))

    def ids(**kwargs):
        return [item['img_id'] for item in build(tmp_path, images_file='splits.json', **kwargs)]

    assert ids(images_key='a') == [2, 0]
    assert ids(images_key=('a', 'b')) == [2, 0, 1]
    assert ids(images_key='a', exclude_key='unscored') == [2]
    with pytest.raises(UserError, match="no list 'c'"):
        ids(images_key='c')
    with pytest.raises(UserError, match='need images_file'):
        build(tmp_path, images_key='a')


def test_every_changed_box_is_listed(tmp_path):
    content = coco_content()
    content['annotations'][0]['bbox'] = [40, 3, 10, 8]  # hangs over the edge of 48 px
    content['annotations'][1]['bbox'] = [5, 5, 0, 8]
    dataset = build(write_coco(tmp_path, content))
    assert [line.split(':')[0] for line in dataset.anomalies] == ['box clipped to the image', 'degenerate box dropped']
    boxes = {x['bbox_label']: x['bbox'] for x in dataset[0]['instances']}
    assert boxes == {1: [40, 3, 48, 11], 2: [10, 3, 20, 11]}


def test_boxes_of_the_packed_sample_are_original_pixels(tmp_path):
    packed = build(write_coco(tmp_path), pipeline=PIPELINE)[0]['data_samples']
    boxes = packed.gt_instances.bboxes.tensor.numpy()
    np.testing.assert_allclose(boxes[packed.gt_instances.labels.numpy() == 2], [[10, 3, 20, 11]])
    assert packed.metainfo['ori_shape'] == (32, 48)


@pytest.mark.parametrize(
    'harm, words',
    [
        (lambda path: path.unlink(), 'image not found'),
        (lambda path: path.write_bytes(b''), 'image file is empty'),
        (lambda path: path.write_bytes(b'hello'), 'not an image that can be decoded'),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), 'cut off'),
    ],
)
def test_a_missing_or_broken_image_is_named(tmp_path, harm, words):
    dataset = build(write_coco(tmp_path), pipeline=PIPELINE)
    harm(tmp_path / 'img' / '1.png')
    with pytest.raises(UserError, match=rf'1\.png: .*{words}'):
        dataset[1]
    assert dataset[0] is not None


def test_an_image_of_another_size_is_refused(tmp_path):
    content = coco_content()
    content['images'][1]['width'] = 96
    dataset = build(write_coco(tmp_path, content), pipeline=PIPELINE)
    with pytest.raises(UserError, match=r'1\.png: image is 48x32, its annotation says 96x32'):
        dataset[1]


def test_coco_tiny_has_the_counted_boxes(real_data):
    root = real_data('coco_tiny')
    content = json.loads((root / 'annotations/instances_val2017.json').read_text())
    names = tuple(sorted(category['name'] for category in content['categories']))
    dataset = CheckedCocoDataset(
        data_root=str(root),
        ann_file='annotations/instances_val2017.json',
        metainfo=dict(classes=names),
        data_prefix=dict(img='val2017'),
        test_mode=True,
    )
    instances = [x for item in dataset for x in item['instances']]
    assert len(dataset) == 80 and len(instances) == 815 and sum(x['ignore_flag'] for x in instances) == 11
    want = {c['name']: sum(a['category_id'] == c['id'] for a in content['annotations']) for c in content['categories']}
    assert want == {name: sum(x['bbox_label'] == label for x in instances) for label, name in enumerate(names)}


def test_a_split_without_a_class_is_refused_in_training_and_listed_in_a_test(tmp_path):
    write_coco(tmp_path, coco_content(names=('worm', 'egg')))
    dataset = build(tmp_path)
    assert dataset.anomalies == [f'class without annotation: {tmp_path}/ann.json: cyst']
    assert {x['bbox_label'] for x in dataset[0]['instances']} == {0, 1}
    with pytest.raises(UserError, match="ann.json: classes: not in the annotations: 'cyst'"):
        build(tmp_path, test_mode=False)


def test_a_list_without_images_is_one_line(tmp_path):
    write_coco(tmp_path)
    (tmp_path / 'splits.json').write_text(json.dumps(dict(val=[], some=['0', '1'], unscored=['0.png', '1.png'])))
    for lists, words in (
        (dict(images_key='val'), r'splits\.json: val: lists no image'),
        (dict(images_key='some', exclude_key='unscored'), r'splits\.json: some: exclude_key: all of its images are in'),
    ):
        for test_mode in (True, False):
            with pytest.raises(UserError, match=words):
                build(tmp_path, images_file='splits.json', test_mode=test_mode, **lists)
    items = build(tmp_path, images_file='splits.json', images_key='some', exclude_key='val')
    assert len(items) == 2
