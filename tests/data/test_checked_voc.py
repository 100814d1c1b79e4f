"""The VOC data set: names against the whole folder, splits, the subtypes of white cells."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from tiny_sets import voc_text, write_images, write_voc

from detplug.data import CheckedVocDataset
from detplug.data.voc import read_subtypes
from detplug.errors import UserError

SEVEN = ('RBC', 'Platelets', 'neutrophil', 'lymphocyte', 'monocyte')


def build(root, classes, test_mode=True, **kwargs) -> CheckedVocDataset:
    return CheckedVocDataset(data_root=str(root), metainfo=dict(classes=classes), test_mode=test_mode, **kwargs)


@pytest.fixture
def folder(tmp_path):
    write_voc(tmp_path, {'a': [('egg', 1, 1, 9, 9)], 'b': [('worm', 3, 3, 9, 9), ('egg', 9, 9, 20, 20)], 'c': []})
    (tmp_path / 'ImageSets/Main/test.txt').write_text('a\nc\n')
    return tmp_path


def test_a_split_may_lack_a_class_that_the_folder_has(folder):
    dataset = build(folder, ('worm', 'egg'), images_file='ImageSets/Main/test.txt')
    assert [(item['img_id'], [x['bbox_label'] for x in item['instances']]) for item in dataset] == [
        ('a', [1]),
        ('c', []),
    ]
    assert dataset[0]['img_path'] == str(folder / 'JPEGImages' / 'a.jpg')


def test_a_class_that_no_xml_names_is_refused_in_training_and_listed_in_a_test(folder):
    with pytest.raises(UserError, match=r"'cyst'.*\[egg, worm\].*\[egg, worm, cyst\]"):
        build(folder, ('egg', 'worm', 'cyst'), test_mode=False)
    with pytest.raises(UserError, match=r"'wrom' \(did you mean 'worm'"):
        build(folder, ('egg', 'wrom'))
    listed = build(folder, ('egg', 'worm', 'cyst')).anomalies
    assert listed == [f'class without annotation: {folder}/Annotations: cyst']


def test_the_image_is_the_one_that_filename_names(tmp_path):
    """The suffix of <filename>; the file itself where none lies there under the name of the xml; else .jpg."""
    write_images(tmp_path / 'JPEGImages', ['a.png', 'old.bmp', 'c.png', 'stale.png', 'd.jpg'])
    (tmp_path / 'Annotations').mkdir()
    for stem, filename in (('a', 'a.png'), ('b', 'C:\\pictures\\old.bmp'), ('c', 'stale.png'), ('d', '')):
        text = voc_text([('egg', 1, 1, 9, 9)], extra=f'<filename>{filename}</filename>' if filename else '')
        (tmp_path / 'Annotations' / f'{stem}.xml').write_text(text)
    items = list(build(tmp_path, ('egg',), pipeline=[dict(type='LoadImageFromFile')]))
    assert [Path(item['img_path']).name for item in items] == ['a.png', 'old.bmp', 'c.png', 'd.jpg']
    assert all(item['img'].shape == (32, 48, 3) for item in items)
    with pytest.raises(UserError, match=r'a\.tif: image not found'):
        build(tmp_path, ('egg',), image_suffix='.tif', pipeline=[dict(type='LoadImageFromFile')])[0]


def test_a_listed_image_without_xml_is_refused(folder):
    (folder / 'ImageSets/Main/test.txt').write_text('a\nzebra\n')
    with pytest.raises(UserError, match=r'test\.txt.*zebra'):
        build(folder, ('worm', 'egg'), images_file='ImageSets/Main/test.txt')


def test_a_folder_without_xml_is_refused(tmp_path):
    with pytest.raises(UserError, match='no xml file; see data/README'):
        build(tmp_path, ('egg',))


def test_a_subtype_names_the_box_where_the_image_has_exactly_one(tmp_path):
    write_voc(tmp_path, {name: [('WBC', 1, 1, 9, 9)] for name in 'abcd'})
    (tmp_path / 'types.csv').write_text('image,subtypes\na,mono\nb,mono|mono\nc,\n')
    dataset = build(tmp_path, ('mono',), ignore_classes=('WBC',), subtypes=dict(file='types.csv', name='WBC'))
    assert [[x['ignore_flag'] for x in item['instances']] for item in dataset] == [[0], [1], [1], [1]]


@pytest.mark.parametrize('text', ['name,kind\na,b\n', 'image,subtypes\na\n', '\x00'])
def test_a_wrong_csv_is_refused(tmp_path, text):
    (tmp_path / 'types.csv').write_text(text)
    with pytest.raises(UserError, match=r'types\.csv'):
        read_subtypes(tmp_path / 'types.csv')


def test_bccd_has_the_official_counts(real_data):
    dataset = build(real_data('bccd'), ('RBC', 'WBC', 'Platelets'))
    counts = Counter(x['bbox_label'] for item in dataset for x in item['instances'])
    assert len(dataset) == 364 and counts == {0: 4155 - 2, 1: 372, 2: 361}
    assert sorted(line.split(':')[1].strip() for line in dataset.anomalies) == [
        'BloodImage_00338.jpg',
        'BloodImage_00343.jpg',
    ]


def test_bccd_with_subtypes_against_the_files(real_data):
    root = real_data('bccd')
    splits = json.loads((root / 'splits.json').read_text())
    dataset = build(
        root,
        SEVEN,
        unknown_classes=('eosinophil', 'basophil'),
        ignore_classes=('WBC',),
        subtypes=dict(file='wbc_subtypes.csv', name='WBC'),
        images_file='splits.json',
        images_key='unlabelled',
    )
    with open(root / 'wbc_subtypes.csv') as file:
        subtypes = {row['image']: row['subtypes'] for row in csv.DictReader(file)}
    assert len(dataset) == len(splits['unlabelled']) and sum(bool(x['unknown_instances']) for x in dataset) == 47
    for item in dataset:
        labels = {x['bbox_label'] for x in item['instances'] if not x['ignore_flag']} - {0, 1}
        unknown = {x['name'] for x in item['unknown_instances']}
        assert {SEVEN[label] for label in labels} | unknown <= {subtypes.get(item['img_id'])}
