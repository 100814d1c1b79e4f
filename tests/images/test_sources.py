import os

import cv2
import numpy as np
import pytest

from detplug.errors import UserError
from detplug.images.sources import list_items


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with ``write(name)`` of a small picture."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names, value=100):
    for name in names:
        os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
        cv2.imwrite(name, np.full((6, 8, 3), value, np.uint8))


def names_of(*paths):
    return [item.name for item in list_items(paths)]


def test_folders_are_read_with_all_below_in_one_order(here):
    write('a/2.png', 'a/10.png', 'a/deep/er/1.jpg', 'a/B/1.jpg', 'b.jpg')
    expected = ['a/10.png', 'a/2.png', 'a/B/1.jpg', 'a/deep/er/1.jpg', 'b.jpg']
    items = list(list_items(['a', 'b.jpg']))
    assert [item.name for item in items] == expected
    assert [item.number for item in items] == [0, 1, 2, 3, 4]
    assert items[0].read().shape == (6, 8, 3)


def test_a_folder_with_subfolders_only(here):
    write('a/b/1.png')
    assert names_of('a') == ['a/b/1.png']


def test_what_is_left_out_is_counted_and_named(here):
    write('a/1.jpg', 'a/.hidden.jpg', 'a/.cache/2.jpg')
    for name in ('a/._1.jpg', 'a/notes.txt', 'a/other.xml'):
        open(name, 'w').close()
    items = list_items(['a'])
    assert [item.name for item in items] == ['a/1.jpg']
    assert items.skipped == {'hidden': [3, 'a/._1.jpg'], 'not a picture by its suffix': [2, 'a/notes.txt']}
    assert items.skipped_lines()[0] == 'left out: 3 files, hidden (the first is a/._1.jpg)'


def test_a_file_that_is_named_twice_counts_once(here):
    write('a/1.jpg', 'a/2.jpg')
    assert names_of('a/2.jpg', 'a', './a/1.jpg', 'a/*.jpg') == ['a/2.jpg', 'a/1.jpg']


def test_globs_and_lists(here):
    write('a/1.jpg', 'a/b/2.jpg', 'c/3.jpg')
    assert names_of('a/**/*.jpg') == ['a/1.jpg', 'a/b/2.jpg']
    (here / 'c' / 'list.txt').write_text('# of today\n3.jpg\n\na/1.jpg\n')
    assert names_of('c/list.txt') == ['c/3.jpg', 'a/1.jpg']


def test_a_link_to_a_folder_above_is_not_followed(here):
    write('a/b/1.jpg')
    os.symlink('..', 'a/b/up')
    items = list_items(['a'])
    assert [item.name for item in items] == ['a/b/1.jpg']
    assert list(items.skipped) == ['link to a folder above']


def test_a_broken_picture_is_in_the_stream_and_says_so_when_it_is_read(here):
    os.makedirs('a')
    (here / 'a' / '1.jpg').write_bytes(b'no picture')
    os.symlink('nowhere.jpg', 'a/2.jpg')
    items = list(list_items(['a']))
    assert [item.name for item in items] == ['a/1.jpg', 'a/2.jpg']
    for item in items:
        with pytest.raises(UserError, match=item.name):
            item.read()


@pytest.mark.parametrize('argument', ['nowhere.jpg', 'nowhere/*.jpg', 'empty', 'list.txt'])
def test_an_argument_without_a_picture_is_one_line(here, argument):
    os.makedirs('empty')
    (here / 'list.txt').write_text('1.jpg\n')
    with pytest.raises(UserError, match=argument.replace('*', '.')):
        names_of(argument)


def test_a_frozen_list_is_the_same_stream_and_its_shares_are_a_partition(here):
    write(*(f'a/{i}.png' for i in range(11)))
    items = list_items(['a'])
    frozen = items.freeze(here / 'list.jsonl')
    assert list(frozen) == list(items) and frozen.count() == 11
    write('a/0.later.png')
    assert len(list(items)) == 12 and len(list(frozen)) == 11
    for parts in (1, 2, 3, 11, 20):
        shares = [list(frozen.split(part, parts)) for part in range(1, parts + 1)]
        assert [len(share) for share in shares] == [frozen.split(part, parts).count() for part in range(1, parts + 1)]
        assert sorted((item for share in shares for item in share), key=lambda item: item.number) == list(frozen)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_part_that_is_none_and_a_list_that_is_broken_are_one_line(here):
    write('1.png')
    frozen = list_items(['1.png']).freeze('list.jsonl')
    for part, parts in ((0, 2), (3, 2)):
        with pytest.raises(UserError, match='--shard'):
            frozen.split(part, parts)
    (here / 'list.jsonl').write_text('{"number": 0}\n')
    with pytest.raises(UserError, match='list.jsonl'):
        list(frozen)
    os.remove('list.jsonl')
    with pytest.raises(UserError, match='list.jsonl'):
        list(frozen)


def test_names_that_are_no_unicode_survive_freezing(here):
    name = os.fsdecode(b'\xff1.png')
    write('1.png')
    os.rename('1.png', name)
    frozen = list_items(['.']).freeze('list.jsonl')
    assert next(iter(frozen)).read().shape == (6, 8, 3)
