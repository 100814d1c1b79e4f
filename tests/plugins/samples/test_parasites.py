"""Laws of the written data set: same bytes, all or nothing, COCO that pycocotools reads."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from detplug.errors import UserError
from plugins.samples import parasites
from plugins.samples.species import SPECIES

COUNTS = {'train': 2, 'val': 3}
SIZE = 96


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return parasites.generate(tmp_path_factory.mktemp('samples') / 'a', seed=3, counts=COUNTS, size=SIZE, workers=1)


def read_all(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_same_seed_same_bytes_with_any_number_of_workers(folder, tmp_path):
    again = parasites.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE, workers=3)
    assert read_all(again) == read_all(folder)


def test_global_random_state_is_neither_used_nor_changed(tmp_path, folder):
    np.random.seed(5)  # a state that must not matter
    before = np.random.get_state()[1].copy()
    again = parasites.generate(tmp_path / 'b', seed=3, counts={'train': 2}, size=SIZE)
    assert (np.random.get_state()[1] == before).all()
    for name in ('images/train_0001.jpg', 'annotations/train.json'):
        assert (again / name).read_bytes() == (folder / name).read_bytes()  # nor do the other splits matter


def test_another_seed_gives_other_pictures(folder, tmp_path):
    other = parasites.generate(tmp_path / 'b', seed=4, counts=COUNTS, size=SIZE)
    mine, theirs = read_all(folder), read_all(other)
    assert all(mine[name] != theirs[name] for name in mine if name.endswith('.jpg'))


def test_an_image_does_not_depend_on_its_neighbours():
    eggs = [0, 3, 7]
    first, _ = parasites.draw_slide(eggs, SIZE, np.random.default_rng([1, 2]))
    parasites.draw_slide([1, 1, 1], SIZE, np.random.default_rng([9]))
    second, _ = parasites.draw_slide(eggs, SIZE, np.random.default_rng([1, 2]))
    np.testing.assert_array_equal(first, second)


def test_a_complete_folder_is_left_and_a_damaged_one_is_made_again(folder, tmp_path):
    mine = parasites.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE)
    picture = mine / 'images' / 'val_0002.jpg'
    before = picture.stat().st_mtime_ns
    parasites.generate(mine, seed=3, counts=COUNTS, size=SIZE)
    assert picture.stat().st_mtime_ns == before
    picture.write_bytes(b'half')
    parasites.generate(mine, seed=3, counts=COUNTS, size=SIZE)
    assert read_all(mine) == read_all(folder)
    assert [p.name for p in tmp_path.iterdir()] == ['b']  # no scratch folder stays


def test_a_failure_leaves_what_was_there(folder, tmp_path, monkeypatch):
    mine = parasites.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE)
    monkeypatch.setattr(parasites, 'to_coco', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        parasites.generate(mine, seed=8, counts=COUNTS, size=SIZE)
    assert read_all(mine) == read_all(folder)
    assert [p.name for p in tmp_path.iterdir()] == ['b']


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / 'thesis.txt').write_text('years of work')
    with pytest.raises(UserError, match='not sample data'):
        parasites.generate(tmp_path, counts=COUNTS, size=SIZE)
    assert (tmp_path / 'thesis.txt').exists()


@pytest.mark.parametrize(
    'settings',
    [
        dict(counts={'train': 0}),
        dict(counts={'holdout': 3}),
        dict(size=16),
        dict(seed=-1),
        dict(counts={'train': 2.5}),
        dict(counts={}),
    ],
)
def test_settings_out_of_range_are_one_line(tmp_path, settings):
    with pytest.raises(UserError) as error:
        parasites.generate(tmp_path / 'b', **settings)
    assert '\n' not in str(error.value) and not (tmp_path / 'b').exists()


def test_pycocotools_reads_the_annotations_and_boxes_lie_inside(folder, capsys):
    for split, images in COUNTS.items():
        coco = COCO(folder / 'annotations' / f'{split}.json')
        assert [c['name'] for c in coco.loadCats(coco.getCatIds())] == [s.name for s in SPECIES]
        assert len(coco.getImgIds()) == images
        for image in coco.loadImgs(coco.getImgIds()):
            picture = cv2.imread(str(folder / 'images' / image['file_name']))
            assert picture.shape == (image['height'], image['width'], 3) == (SIZE, SIZE, 3)
            for a in coco.imgToAnns[image['id']]:
                x, y, width, height = a['bbox']
                assert x >= 0 and y >= 0 and x + width <= SIZE and y + height <= SIZE
                assert 0 < a['area'] <= width * height and a['iscrowd'] == 0
        counted = {s.name: len(coco.getAnnIds(catIds=[i])) for i, s in enumerate(SPECIES, 1)}
        assert counted == json.loads((folder / 'manifest.json').read_text())['boxes'][split]
        assert min(counted.values()) >= 1


def test_command_line(tmp_path, capsys):
    words = [str(tmp_path / 'b'), '--seed', '3', '--size', str(SIZE), '--train', '1', '--val', '1', '--test', '1']
    assert parasites.main(words) == 0
    assert capsys.readouterr().out.strip().endswith('3 images')
