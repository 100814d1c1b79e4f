"""The cache of annotations gives what the reader gives, once for all processes, and never stands in the way."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from tiny_sets import coco_content

from detplug.data import annotation_cache
from detplug.data.annotation_cache import cached_records
from detplug.data.coco_file import read_coco
from detplug.errors import UserError


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """An annotation file that is large enough for the cache, which is empty."""
    monkeypatch.setenv('DETPLUG_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(annotation_cache, 'SMALLEST', 0)
    return write(tmp_path / 'a.json', coco_content())


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines = []
    monkeypatch.setattr(annotation_cache, 'say_once', lines.append)
    return lines


def write(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content))
    return path


def counted(path: Path, masks: bool = False):
    """(records, number of times the file was parsed)."""
    calls = []

    def read():
        calls.append(1)
        return read_coco(path, masks)

    return cached_records(path, str(masks), read), len(calls)


def with_everything() -> dict:
    """Text ids, a crowd, an area that is not the box's, no area, an id twice, masks of both kinds."""
    content = coco_content()
    for i, entry in enumerate(content['annotations']):
        entry['segmentation'] = [[1, 2.5, 3, 4, 5, 6]] if i % 2 else dict(size=[32, 48], counts='ab\\c')
    content['annotations'][0] |= dict(iscrowd=1, id='first')
    content['annotations'][1] |= dict(area=None, id='first')
    content['annotations'][2] |= dict(area=7.25, id=2**63)
    content['images'][0]['file_name'] = 'œuf/a.png'
    return content


@pytest.mark.parametrize('masks', [False, True])
def test_the_same_records_without_reading_again(file, masks):
    write(file, with_everything())
    expected = read_coco(file, masks)
    assert counted(file, masks) == (expected, 1)
    assert counted(file, masks) == (expected, 0)
    assert expected[2] and all(type(x) is tuple for x in (r.objects[0].box for r in expected[1][:2]))
    assert counted(file, not masks)[1] == 1, 'boxes and masks are different records'


def test_another_content_of_the_same_size_and_time_is_read(file):
    counted(file)
    stat = file.stat()
    file.write_text(file.read_text().replace('worm', 'wurm'))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_size == stat.st_size
    (names, _, _), times = counted(file)
    assert names[0] == 'wurm' and times == 1


def test_a_small_file_leaves_nothing(file, tmp_path, monkeypatch):
    monkeypatch.setattr(annotation_cache, 'SMALLEST', 10**6)
    assert counted(file)[1] == counted(file)[1] == 1 and not (tmp_path / 'cache').exists()


def test_an_error_is_not_kept(file, tmp_path):
    good = file.read_text()
    write(file, coco_content() | dict(images=[]))
    for _ in range(2):
        with pytest.raises(UserError, match='images: empty'):
            counted(file)
    file.write_text(good)
    assert counted(file)[1] == 1
    with pytest.raises(UserError, match='not found'):
        counted(tmp_path / 'none.json')


@pytest.mark.parametrize('harm', [lambda data: data[:-3], lambda data: b'', lambda data: b'\x00' + data])
def test_a_damaged_entry_is_made_anew(file, tmp_path, harm):
    expected = counted(file)[0]
    (entry,) = (tmp_path / 'cache').glob('*.annotations')
    assert entry.stat().st_mode & 0o077 == 0
    entry.write_bytes(harm(entry.read_bytes()))
    assert counted(file) == (expected, 1)
    assert counted(file) == (expected, 0)


def test_an_id_beyond_64_bits_is_read_each_time(file):
    content = coco_content()
    content['annotations'][0]['id'] = 2**70
    write(file, content)
    assert counted(file)[1] == counted(file)[1] == 1


def test_a_cache_that_cannot_be_written_is_said_and_the_file_is_read(file, tmp_path, monkeypatch, said):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(annotation_cache.os, 'replace', full)
    assert counted(file)[1] == 1
    assert len(said) == 1 and 'No space left on device' in said[0]
    assert not list((tmp_path / 'cache').glob('*.new'))


def test_no_place_for_a_cache(file, tmp_path, monkeypatch, said):
    (tmp_path / 'is_a_file').touch()
    monkeypatch.setenv('DETPLUG_CACHE', str(tmp_path / 'is_a_file'))
    assert counted(file)[1] == 1 and len(said) == 1 and 'is_a_file' in said[0]


def test_a_lock_that_is_not_given_up(file, monkeypatch, said):
    expected = counted(file)[0]
    monkeypatch.setattr(annotation_cache, 'LOCK_SECONDS', 0)
    monkeypatch.setattr(annotation_cache, '_taken', lambda descriptor: False)
    assert counted(file) == (expected, 1) and 'another process has held' in said[0]


def test_an_entry_that_nobody_uses_goes(file, tmp_path):
    old = tmp_path / 'cache' / 'x.annotations'
    counted(file)
    old.touch()
    os.utime(old, (0, 0))
    write(file, with_everything())
    counted(file)
    assert not old.exists() and len(list((tmp_path / 'cache').glob('*.annotations'))) == 2


def one_rank(path: str, barrier, parsed) -> None:
    annotation_cache.SMALLEST = 0

    def read():
        with parsed.get_lock():
            parsed.value += 1
        return read_coco(path)

    barrier.wait()
    assert len(cached_records(path, 'boxes', read)[1]) == 3


def test_of_several_processes_one_reads(file):
    fork = multiprocessing.get_context('fork')
    barrier, parsed = fork.Barrier(4), fork.Value('i', 0)
    ranks = [fork.Process(target=one_rank, args=(str(file), barrier, parsed)) for _ in range(4)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [0] * 4 and parsed.value == 1
