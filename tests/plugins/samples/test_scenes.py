"""Laws of the written scenes: same bytes, all or nothing, annotations in the own relation format."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from detplug.errors import UserError
from plugins.samples import parasites, scenes
from plugins.samples.scene.verbs import VERBS

COUNTS = {'train': 3, 'val': 2}
SIZE = 96


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return scenes.generate(tmp_path_factory.mktemp('scenes') / 'a', seed=3, counts=COUNTS, size=SIZE, workers=1)


def read_all(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_same_seed_same_bytes_with_any_number_of_workers(folder, tmp_path):
    again = scenes.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE, workers=3)
    assert read_all(again) == read_all(folder)


def test_global_random_state_is_neither_used_nor_changed(tmp_path, folder):
    np.random.seed(5)  # a state that must not matter
    before = np.random.get_state()[1].copy()
    again = scenes.generate(tmp_path / 'b', seed=3, counts={'val': 2}, size=SIZE)
    assert (np.random.get_state()[1] == before).all()
    for name in ('images/val_0001.jpg', 'annotations/val.json'):
        assert (again / name).read_bytes() == (folder / name).read_bytes()  # nor do the other splits matter


def test_another_seed_gives_other_pictures(folder, tmp_path):
    other = read_all(scenes.generate(tmp_path / 'b', seed=4, counts=COUNTS, size=SIZE))
    mine = read_all(folder)
    assert set(mine) == set(other) and all(mine[name] != other[name] for name in mine)


def test_a_complete_folder_is_left_and_a_damaged_one_is_made_again(folder, tmp_path):
    mine = scenes.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE)
    picture = mine / 'images' / 'val_0001.jpg'
    before = picture.stat().st_mtime_ns
    scenes.generate(mine, seed=3, counts=COUNTS, size=SIZE)
    assert picture.stat().st_mtime_ns == before
    picture.write_bytes(b'half')
    (mine / 'annotations' / 'train.json').unlink()
    scenes.generate(mine, seed=3, counts=COUNTS, size=SIZE)
    assert read_all(mine) == read_all(folder)
    assert [p.name for p in tmp_path.iterdir()] == ['b']  # no scratch folder stays


def test_a_failure_leaves_what_was_there(folder, tmp_path, monkeypatch):
    mine = scenes.generate(tmp_path / 'b', seed=3, counts=COUNTS, size=SIZE)
    monkeypatch.setattr(scenes, 'to_json', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scenes.generate(mine, seed=8, counts=COUNTS, size=SIZE)
    assert read_all(mine) == read_all(folder)


def test_folders_of_something_else_are_never_replaced(tmp_path):
    slides = parasites.generate(tmp_path / 'slides', counts={'train': 1}, size=64)
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work' / 'thesis.txt').write_text('years of work')
    for taken in (slides, tmp_path / 'work'):
        before = read_all(taken)
        with pytest.raises(UserError, match='not sample data') as error:
            scenes.generate(taken, counts=COUNTS, size=SIZE)
        assert '\n' not in str(error.value) and read_all(taken) == before


@pytest.mark.parametrize('settings', [dict(counts={'train': 0}), dict(counts={'dev': 3}), dict(size=16), dict(seed=-1)])
def test_settings_out_of_range_are_one_line(tmp_path, settings):
    with pytest.raises(UserError) as error:
        scenes.generate(tmp_path / 'b', **settings)
    assert '\n' not in str(error.value) and not (tmp_path / 'b').exists()


@pytest.mark.parametrize('split', COUNTS)
def test_pycocotools_reads_the_annotations_and_boxes_lie_inside(folder, split):
    coco = COCO(folder / 'annotations' / f'{split}.json')
    assert [(c['id'], c['name']) for c in coco.loadCats(coco.getCatIds())] == list(enumerate(scenes.CLASSES, 1))
    assert len(coco.getImgIds()) == COUNTS[split]
    for image in coco.loadImgs(coco.getImgIds()):
        picture = cv2.imread(str(folder / 'images' / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3) == (SIZE, SIZE, 3)
        boxes = coco.imgToAnns[image['id']]
        assert sum(a['category_id'] == 1 for a in boxes) >= 1  # no image without a person
        for a in boxes:
            x, y, width, height = a['bbox']
            assert x >= 0 and y >= 0 and x + width <= SIZE and y + height <= SIZE
            assert 0 < a['area'] <= width * height and a['iscrowd'] == 0


@pytest.mark.parametrize('split', COUNTS)
def test_relations_refer_to_persons_and_boxes_of_their_image(folder, split):
    content = json.loads((folder / 'annotations' / f'{split}.json').read_text())
    assert [(p['id'], p['name']) for p in content['predicates']] == list(enumerate(VERBS, 1))
    boxes = {a['id']: a for a in content['annotations']}
    assert len(boxes) == len(content['annotations'])
    rows = [
        tuple(r[key] for key in ('image_id', 'subject_id', 'object_id', 'predicate_id')) for r in content['relations']
    ]
    assert rows and len(set(rows)) == len(rows)
    for image, subject, object_, predicate in rows:
        assert subject != object_ and boxes[subject]['image_id'] == boxes[object_]['image_id'] == image
        assert boxes[subject]['category_id'] == 1 and 1 <= predicate <= len(VERBS)
    manifest = json.loads((folder / 'manifest.json').read_text())
    assert Counter(VERBS[row[3] - 1] for row in rows) == Counter(manifest['relations'][split])
    classes = Counter(scenes.CLASSES[a['category_id'] - 1] for a in boxes.values())
    assert classes == Counter(manifest['boxes'][split])


def test_command_line(tmp_path, capsys):
    words = [str(tmp_path / 'b'), '--seed', '3', '--size', str(SIZE), '--train', '1', '--val', '1', '--test', '1']
    assert scenes.main(words) == 0
    assert capsys.readouterr().out.strip().endswith('3 images')
