"""Two sources: order of draws, resuming, processes; folders without annotations."""

import json
from itertools import islice

import pytest
from mmdet.registry import DATASETS
from tiny_sets import NAMES, write_coco, write_images

from detplug.data.anomalies import audits_of
from detplug.errors import UserError
from detplug.report.hook import count_labels
from plugins.openset.data import TwoSources, TwoSourceSampler


class Numbers:
    metainfo = dict(classes=NAMES)

    def __init__(self, first, size):
        self.first, self.size = first, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.first + index

    def get_data_info(self, index):
        return dict(img_path=f'{self.first + index}.png')


def sources(labelled=3, unlabelled=7, **kwargs):
    return TwoSources(Numbers(0, labelled), Numbers(100, unlabelled), **kwargs)


def draws(count, start=0, rank=0, world=1, **kwargs):
    sampler = TwoSourceSampler(sources(), seed=5, **kwargs)
    sampler.rank, sampler.world_size = rank, world
    sampler.start_at(start)
    return list(islice(sampler, count))


def test_sources_alternate_and_every_image_comes_once_a_pass():
    both = sources()
    found = [both[index] for _, index in draws(28, pattern=(1, 1))]
    assert all((x < 100) == (i % 2 == 0) for i, x in enumerate(found))
    assert sorted(found[0:6:2]) == [0, 1, 2] and sorted(found[1:14:2]) == list(range(100, 107))
    assert sorted(found[6:12:2]) == [0, 1, 2] and sorted(found[15:28:2]) == list(range(100, 107))


def test_pattern_and_resuming():
    whole = draws(60, pattern=(1, 2))
    assert [index >= 3 for _, index in whole[:6]] == [False, True, True] * 2
    for start in (1, 17, 40):
        assert draws(20, start, pattern=(1, 2)) == whole[start : start + 20]


def test_processes_share_a_pass():
    parts = [draws(14, rank=rank, world=2) for rank in (0, 1)]
    unlabelled = [index for part in parts for _, index in part[1::2]]
    assert sorted(unlabelled)[::2] == sorted(unlabelled)[1::2] == list(range(3, 10))  # 14 draws: two passes


def test_an_empty_source_is_named():
    with pytest.raises(UserError, match='unlabelled: holds no image'):
        sources(unlabelled=0)
    assert len(sources(indices=2)) == 4


def test_a_folder_of_pictures_needs_no_annotations(tmp_path):
    write_images(tmp_path, ['b.png', 'a.png'])
    (tmp_path / 'notes.txt').write_text('no picture')
    load = [dict(type='LoadResizedImage', scale=(32, 32))]
    folder = DATASETS.build(dict(type='ImageFolder', folder=str(tmp_path), metainfo=dict(classes=NAMES), pipeline=load))
    assert [folder[i]['img_id'] for i in range(len(folder))] == ['a.png', 'b.png']
    assert folder[0]['img'].shape == (21, 32, 3) and 'instances' not in folder[0]


def test_parts_are_read_through_and_unlabelled_pictures_have_no_objects(tmp_path):
    write_images(tmp_path / 'more', ['b.png', 'a.png'], size=(33, 21))
    labelled = dict(
        type='CheckedCocoDataset',
        data_root=str(write_coco(tmp_path)),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=NAMES),
    )
    unlabelled = dict(type='ImageFolder', folder=str(tmp_path / 'more'), metainfo=dict(classes=NAMES))
    dataset = TwoSources(labelled, unlabelled)
    assert count_labels(dataset, NAMES) == dict.fromkeys(NAMES, 2)
    assert [audit.boxes for audit in audits_of(dataset)] == [6]


@pytest.mark.parametrize('part', ['labelled', 'unlabelled'])
def test_a_split_with_an_empty_list_is_one_line(tmp_path, part):
    lists = dict(labelled=['0.png', '1.png'], unlabelled=['2.png']) | {part: []}
    write_coco(tmp_path)
    (tmp_path / 'splits.json').write_text(json.dumps(lists))
    config = dict(
        type='CheckedCocoDataset',
        data_root=str(tmp_path),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=NAMES),
        images_file='splits.json',
    )
    with pytest.raises(UserError, match=rf'splits.json: {part}: lists no image'):
        TwoSources(dict(config, images_key='labelled'), dict(config, images_key='unlabelled'))


@pytest.mark.parametrize('copied', [False, True])
def test_an_image_that_is_labelled_and_unlabelled_is_named(tmp_path, copied):
    write_images(tmp_path / 'labelled', ['a.png', 'b.png'])
    write_images(tmp_path / 'unlabelled', ['a.png', 'b.png', 'c.png'])
    first = sorted((tmp_path / 'labelled').iterdir())[0]
    for path in sorted((tmp_path / 'unlabelled').iterdir()):
        path.write_bytes(path.read_bytes() + path.name.encode())  # none equals another
    both = tmp_path / 'unlabelled' / 'again.png'
    both.write_bytes(first.read_bytes()) if copied else both.symlink_to(first)
    folders = [dict(type='ImageFolder', folder=str(tmp_path / name)) for name in ('labelled', 'unlabelled')]
    with pytest.raises(UserError, match='again.png: is labelled and unlabelled'):
        TwoSources(*folders)
    both.unlink()
    assert len(TwoSources(*folders)) == 5
