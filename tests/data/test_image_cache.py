"""The file of resized images: training is the same with it, and nothing that happens to the file can change a pixel."""

import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from shared_images import FORK, SCALE, SECONDS, exit_code, loader, pixels, uncached
from tiny_sets import NAMES, write_coco
from torch.utils.data import DataLoader

from detplug.data import image_cache, resized_image
from detplug.data.image_cache import PAGE, ImageCache

SLOT_MB = PAGE / 2**20  # an image of 24x24 px takes one page


def forbid_decoding(monkeypatch) -> None:
    def decoded(path, *_):
        raise AssertionError(f'{path} was decoded')

    monkeypatch.setattr(resized_image, 'read_image', decoded)


def in_process(function, *arguments) -> int | None:
    """Exit code of a forked process."""
    process = FORK.Process(target=function, args=arguments)
    process.start()
    return exit_code(process)


def training(folder: Path, workers: int, **cache) -> list:
    """Two batches of mosaics as a training with this number of loader processes draws them."""
    load = [
        dict(type='LoadAnnotations', with_bbox=True, box_type=None),
        dict(type='LoadResizedImage', scale=(64, 64), **cache),
    ]
    source = dict(
        type='CheckedCocoDataset',
        data_root=str(folder),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=NAMES),
        pipeline=load,
    )
    mixing = [
        dict(type='MosaicAffine', scale=(64, 64)),
        dict(type='ColourJitter'),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_shape', 'ori_shape', 'mosaic_img_ids')),
    ]
    dataset = DATASETS.build(
        dict(type='SeededDataset', dataset=dict(type='MixDataset', dataset=source, pipeline=mixing))
    )
    draws = [(draw, draw % 3) for draw in range(8)]
    batches = DataLoader(
        dataset,
        batch_size=4,
        sampler=draws,
        num_workers=workers,
        collate_fn=pseudo_collate,
        multiprocessing_context='fork' if workers else None,
        timeout=SECONDS if workers else 0,
    )
    return [
        (image.numpy().tobytes(), sample.gt_instances.bboxes.numpy().tobytes(), sample.metainfo)
        for batch in batches
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)
    ]


@pytest.mark.parametrize('workers', [0, 2])
def test_training_is_the_same_with_the_cache_and_the_next_one_decodes_nothing(tmp_path, monkeypatch, workers):
    folder, cache = write_coco(tmp_path), dict(cache_mb=1, cache_dir=str(tmp_path / 'cache'))
    plain = training(folder, 0, cache_mb=0)
    assert training(folder, workers, **cache) == plain
    forbid_decoding(monkeypatch)
    assert training(folder, 2 - workers, **cache) == plain
    with pytest.raises(AssertionError, match='was decoded'):
        training(folder, 0, cache_mb=0)


def test_a_spawned_process_opens_the_file_again(tmp_path, paths, monkeypatch):
    transform = loader(tmp_path)
    pixels(transform, paths)
    forbid_decoding(monkeypatch)
    copy = pickle.loads(pickle.dumps(transform))
    assert copy.cache.map is None
    np.testing.assert_array_equal(pixels(copy, paths), uncached(paths))


def test_two_ranks_fill_and_share_one_file(tmp_path, paths, monkeypatch):
    barrier = FORK.Barrier(2)

    def rank(order):
        transform = loader(tmp_path, 8 * SLOT_MB)  # 6 of 8 slots: many keys ask for the same slot
        barrier.wait(SECONDS)
        for path in order:
            np.testing.assert_array_equal(pixels(transform, [path]), uncached([path]))

    ranks = [FORK.Process(target=rank, args=(order,)) for order in (paths, paths[::-1])]
    for process in ranks:
        process.start()
    assert [exit_code(process) for process in ranks] == [0, 0]
    assert len(list((tmp_path / 'cache').glob('*.images'))) == 1
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(pixels(loader(tmp_path, 8 * SLOT_MB), paths), uncached(paths))


@pytest.mark.parametrize('call', range(1, 6))
@pytest.mark.parametrize('half', [False, True])
def test_a_process_killed_at_any_write_leaves_nothing_wrong(tmp_path, paths, monkeypatch, call, half):
    """Writes: header, key, pixels, entry; then key of the second image. ``half`` of the last one is on the disk."""
    pwrite, done = os.pwrite, []

    def dies(file, content, start):
        done.append(start)
        if len(done) == call:
            if half:
                pwrite(file, bytes(content)[: len(content) // 2], start)
            os.kill(os.getpid(), signal.SIGKILL)
        return pwrite(file, content, start)

    def first_run():
        os.pwrite = dies
        pixels(loader(tmp_path), paths)

    assert in_process(first_run) == -signal.SIGKILL
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))


def damage(cache: ImageCache, start: int, content: bytes) -> None:
    with open(cache.path, 'r+b') as file:
        file.seek(start)
        file.write(content)


@pytest.mark.parametrize('lost', ['pixels', 'entry'])
def test_pages_lost_in_a_crash_of_the_machine_are_noticed(tmp_path, paths, monkeypatch, lost):
    before = loader(tmp_path)
    pixels(before, paths)
    cache = before.cache
    for slot in range(cache.slots):
        if cache._key(slot) != bytes(16) and lost == 'pixels':
            damage(cache, cache.first_slot + slot * cache.slot_bytes + 600, bytes(16 * 24 * 3 - 600))
        elif lost == 'entry':
            damage(cache, PAGE + slot * 32 + 16, bytes(16))
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))


def truncate(cache: ImageCache) -> None:
    short = cache.path.read_bytes()[: cache.first_slot + 3 * PAGE]
    cache.path.unlink()  # the first process keeps its whole one
    cache.path.write_bytes(short)


@pytest.mark.parametrize(
    'change',
    [
        truncate,
        lambda cache: damage(cache, 0, cache._header().replace(b', rule ', b', ruse ')),
        lambda cache: damage(cache, 0, b'\xff' * PAGE),
    ],
    ids=['cut off', 'another version', 'another file'],
)
def test_a_file_that_does_not_fit_is_replaced(tmp_path, paths, change):
    first = loader(tmp_path)
    seen = pixels(first, paths)
    change(first.cache)
    second = loader(tmp_path)
    np.testing.assert_array_equal(pixels(second, paths), uncached(paths))
    assert second.cache.writes == 6
    np.testing.assert_array_equal(seen, uncached(paths))  # views of the file that was replaced
    np.testing.assert_array_equal(pixels(first, paths), uncached(paths))


def test_another_limit_starts_a_new_file(tmp_path, paths):
    pixels(loader(tmp_path, 1), paths)
    other = loader(tmp_path, 2)
    np.testing.assert_array_equal(pixels(other, paths), uncached(paths))
    assert other.cache.writes == 6 and len(list((tmp_path / 'cache').glob('*.images'))) == 1


def test_a_changed_image_is_read_again_even_with_the_old_size_and_date(tmp_path, paths):
    pixels(loader(tmp_path), paths)
    old = os.stat(paths[0])
    content = bytearray(Path(paths[0]).read_bytes())
    content[-1000:] = bytes(1000)
    Path(paths[0]).write_bytes(content)
    os.utime(paths[0], ns=(old.st_atime_ns, old.st_mtime_ns))
    after = loader(tmp_path)
    np.testing.assert_array_equal(pixels(after, paths), uncached(paths))
    assert after.cache.reads - after.cache.writes == 5 and after.cache.writes == 1


def test_an_image_that_changes_while_it_is_read_is_not_kept(tmp_path, paths, monkeypatch):
    read_image = resized_image.read_image

    def read_then_changed(path, *_):
        image = read_image(path)
        os.utime(path, ns=(1, 1))
        return image

    monkeypatch.setattr(resized_image, 'read_image', read_then_changed)
    transform = loader(tmp_path)
    pixels(transform, paths)
    assert transform.cache.writes == 0


def no_space(*_):
    raise OSError(28, 'No space left on device')


@pytest.mark.parametrize('pwrite', [no_space, lambda file, content, start: len(content) - 1], ids=['error', 'short'])
def test_a_full_disk_is_said_once(tmp_path, paths, monkeypatch, lines, pwrite):
    transform = loader(tmp_path)
    pixels(transform, paths[:2])
    with monkeypatch.context() as patch:
        patch.setattr(os, 'pwrite', pwrite)
        np.testing.assert_array_equal(pixels(transform, paths), uncached(paths))
    assert len(lines) == 1 and 'not written' in lines[0] and str(transform.cache.path) in lines[0]
    np.testing.assert_array_equal(pixels(loader(tmp_path), paths), uncached(paths))


def test_room_for_checkpoints_is_left(tmp_path, paths, monkeypatch, lines):
    monkeypatch.setattr(image_cache, 'KEEP_FREE', 2**60)
    transform = loader(tmp_path)
    np.testing.assert_array_equal(pixels(transform, paths), uncached(paths))
    assert transform.cache.writes == 0 and len(lines) == 1 and 'of the disk are free' in lines[0]


def test_the_limit_holds_and_is_said_once(tmp_path, paths, lines):
    for _ in range(2):
        transform = loader(tmp_path, 4 * SLOT_MB)
        np.testing.assert_array_equal(pixels(transform, paths), uncached(paths))
    stat = os.stat(transform.cache.path)
    assert stat.st_size == (4 + 2) * PAGE >= stat.st_blocks * 512  # header and entries take a page each
    assert transform.cache.reads == 4 and len(lines) == 1 and 'full; raise cache_mb' in lines[0]


def test_only_filled_slots_take_disk(tmp_path, paths):
    transform = loader(tmp_path, 64)
    pixels(transform, paths)
    stat = os.stat(transform.cache.path)
    assert stat.st_size > 64 * 2**20 and stat.st_blocks * 512 < 2**20


def test_folder_by_environment(monkeypatch, tmp_path):
    monkeypatch.setenv('DETPLUG_CACHE', str(tmp_path))
    assert ImageCache(SCALE, 1).path == tmp_path / '24x24.images'
    monkeypatch.delenv('DETPLUG_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert ImageCache(SCALE, 1).path == tmp_path / 'xdg/detplug/images/24x24.images'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert ImageCache(SCALE, 1).path == Path.home() / '.cache/detplug/images/24x24.images'
