"""Splits: lists of image names in text or json files."""

import json

import pytest

from detplug.data.image_lists import read_image_list, select_images
from detplug.data.records import ImageRecord
from detplug.errors import UserError


def test_text_json_list_and_named_lists(tmp_path):
    (tmp_path / 'a.txt').write_text('one\n\n two \n')
    (tmp_path / 'b.json').write_text('["one", "two"]')
    (tmp_path / 'c.json').write_text(json.dumps(dict(train=['one'], more=['two'], seed=3)))
    assert read_image_list(tmp_path / 'a.txt') == read_image_list(tmp_path / 'b.json') == ['one', 'two']
    assert read_image_list(tmp_path / 'c.json', ('train', 'more')) == ['one', 'two']
    for key, words in (
        ('val', "no list 'val'; it has train, more, seed"),
        ('seed', 'not a list'),
        (None, 'not a list'),
    ):
        with pytest.raises(UserError, match=words):
            read_image_list(tmp_path / 'c.json', key)


@pytest.mark.parametrize(
    'name, content',
    [
        ('a.txt', 'one\none'),
        ('a.json', '["one", "one"]'),
        ('a.txt', b'\xff\xfe\x00'),
        ('a.json', '{"'),
        ('a.json', '[1]'),
    ],
)
def test_wrong_lists_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError):
        read_image_list(tmp_path / name)


def test_a_missing_list_and_a_key_for_a_text_file(tmp_path):
    with pytest.raises(UserError, match='not found'):
        read_image_list(tmp_path / 'a.txt')
    with pytest.raises(UserError, match='images_key'):
        read_image_list(tmp_path / 'a.txt', 'train')


def test_images_are_found_with_and_without_suffix_in_the_order_of_the_list():
    records = [ImageRecord(i, name, 8, 8) for i, name in enumerate(('a.jpg', 'b.jpg', 'c.jpg'))]
    assert [record.img_id for record in select_images(records, ['c', 'a.jpg'], 'list')] == [2, 0]
    with pytest.raises(UserError, match='list: 1 of 2 names are no image of the data set: d'):
        select_images(records, ['a', 'd'], 'list')


@pytest.mark.parametrize(
    'files, names, words',
    [
        (['a/0.jpg', 'b/0.jpg'], ['0'], 'list: name 0 is 2 images, a/0.jpg and b/0.jpg; write the file name'),
        (['0.jpg', '0.png'], ['0'], 'list: name 0 is 2 images, 0.jpg and 0.png'),
        (['0.jpg', 'a/0.jpg'], ['0'], 'list: name 0 is 2 images'),
        (['0.jpg', '0.jpg'], ['0.jpg'], r'list: name 0.jpg is listed 2 times in the annotations \(ids 0 and 1\)'),
        (['0.jpg', '0.jpg'], ['0'], 'list: name 0 is listed 2 times'),
        (['0.jpg', '1.jpg'], ['1', '0', '0.jpg'], 'list: 0 and 0.jpg are one image, 0.jpg'),
        (['0.jpg'], [], 'list: lists no image'),
    ],
)
def test_a_name_is_one_image_and_an_image_is_listed_once(files, names, words):
    records = [ImageRecord(i, name, 8, 8) for i, name in enumerate(files)]
    with pytest.raises(UserError, match=words):
        select_images(records, names, 'list')


def test_folders_tell_equal_names_apart():
    records = [ImageRecord(i, name, 8, 8) for i, name in enumerate(('a/0.jpg', 'b/0.jpg', 'c\\1.jpg', '2.tar.gz', '2'))]
    for names, ids in ((['b/0.jpg', 'a/0'], [1, 0]), (['c/1', 'a\\0.jpg'], [2, 0]), (['1', '2', '2.tar'], [2, 4, 3])):
        assert [record.img_id for record in select_images(records, names, 'list')] == ids
