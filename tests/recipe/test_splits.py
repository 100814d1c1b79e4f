"""Every format gives the same recipe data; a missing split is made the same way each time and said; refusals."""

import json
import re
import shutil
from pathlib import Path

import pytest
from yolo_set import write_yolo

from detplug.data.formats.convert import convert
from detplug.data.records import ImageRecord
from detplug.errors import UserError
from detplug.recipe.splits import hold_out, read_data, write_annotations


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Path:
    return write_yolo(tmp_path_factory.mktemp('data') / 'yolo').parent


@pytest.fixture
def yolo(source, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(source, tmp_path / 'yolo')


def images_and_boxes(folder: Path) -> dict:
    found = {}
    for path in sorted(folder.glob('*.json')):
        content = json.loads(path.read_text())
        names = {x['id']: x['name'] for x in content['categories']}
        files = {x['id']: Path(x['file_name']).name for x in content['images']}
        boxes = sorted(
            (files[x['image_id']], names[x['category_id']], *(round(v, 1) for v in x['bbox']))
            for x in content['annotations']
        )
        found[path.stem] = (sorted(files.values()), boxes, set(names.values()))
    return found


@pytest.fixture(scope='module')
def expected(source, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp('expected')
    write_annotations(read_data(source), folder)
    return images_and_boxes(folder)


@pytest.mark.parametrize('form', ['coco', 'voc', 'label-studio'])
def test_each_format_gives_the_same_annotations(source, expected, tmp_path, form):
    convert(source, tmp_path / form, form)
    data = read_data(tmp_path / form)
    assert data.form == form and list(data.splits) == ['train', 'val', 'test'] and not data.notes
    write_annotations(data, tmp_path / 'out')
    found = images_and_boxes(tmp_path / 'out')
    assert {name: split[0] for name, split in found.items()} == {name: split[0] for name, split in expected.items()}
    for name, (_, boxes, names) in found.items():
        assert names == expected[name][2]
        for one, other in zip(boxes, expected[name][1], strict=True):
            assert one[:2] == other[:2] and one[2:] == pytest.approx(other[2:], abs=0.11)


def test_roboflow_folders_of_yolo_and_coco(source, expected, tmp_path):
    for split, name in (('train', 'train'), ('val', 'valid'), ('test', 'test')):
        for kind in ('images', 'labels'):
            shutil.copytree(source / kind / split, tmp_path / 'robo' / name / kind)
    names = read_data(source).classes
    lines = [f'{split}: ../{split.replace("val", "valid")}/images' for split in ('train', 'val', 'test')]
    (tmp_path / 'robo' / 'data.yaml').write_text('\n'.join([*lines, f'names: {list(names)}']))
    write_annotations(read_data(tmp_path / 'robo' / 'data.yaml'), tmp_path / 'out')
    assert images_and_boxes(tmp_path / 'out') == expected
    convert(source, tmp_path / 'coco', 'coco')
    for split in ('train', 'val', 'test'):
        folder = tmp_path / 'export' / split.replace('val', 'valid')
        shutil.copytree(tmp_path / 'coco' / 'images' / split, folder)
        shutil.copy(tmp_path / 'coco' / 'annotations' / f'{split}.json', folder / '_annotations.coco.json')
    write_annotations(read_data(tmp_path / 'export'), tmp_path / 'out2')
    assert images_and_boxes(tmp_path / 'out2') == expected


def test_one_coco_json_beside_its_images(source, tmp_path):
    convert(source, tmp_path / 'coco', 'coco')
    data = read_data(tmp_path / 'coco' / 'annotations' / 'train.json')
    assert {name: len(split.records) for name, split in data.splits.items()} == dict(train=3, val=1, test=1)
    assert data.notes[0].startswith('val: missing, made of 1 of the 4 training images')
    assert data.notes[1].startswith('test: missing, val stands for it')
    again = read_data(tmp_path / 'coco' / 'annotations' / 'train.json')
    assert [x.file_name for x in again.splits['val'].records] == [x.file_name for x in data.splits['val'].records]
    held = {x.file_name for x in data.splits['val'].records}
    assert not held & {x.file_name for x in data.splits['train'].records}


def test_what_is_held_out_depends_on_the_names_alone():
    records = [ImageRecord(i, f'{i}.jpg', 8, 8) for i in range(50)]
    kept, held = hold_out(records)
    assert (len(kept), len(held)) == (40, 10)
    assert {x.file_name for x in hold_out(records[::-1])[1]} == {x.file_name for x in held}
    more, _ = hold_out([*records, ImageRecord(50, 'new.jpg', 8, 8)])
    assert len({x.file_name for x in kept} - {x.file_name for x in more}) <= 1


def test_unknown_classes_are_kept_apart(source):
    data = read_data(source, unknown=['hymenolepis', 'ascaris'])
    assert data.unknown == ('ascaris', 'hymenolepis') and len(data.classes) == 8
    assert data.classes == tuple(name for name in read_data(source).classes if name not in data.unknown)


@pytest.mark.parametrize(
    ('unknown', 'line'),
    [(['taenai'], '--unknown taenai: .* has no such class; one of ascaris'), (None, 'names every class')],
)
def test_wrong_unknown_classes_are_refused(source, unknown, line):
    with pytest.raises(UserError, match=line):
        read_data(source, unknown=unknown or read_data(source).classes)


def test_images_that_are_not_there_are_refused_before_a_training(yolo, tmp_path):
    convert(yolo, tmp_path / 'coco', 'coco')
    gone = sorted((tmp_path / 'coco' / 'images' / 'train').iterdir())[0]
    gone.unlink()
    with pytest.raises(UserError, match=rf'train: .*{gone.name}: image not found, 1 of 4 are not; .* --images'):
        read_data(tmp_path / 'coco')


def test_images_that_are_cut_off_are_left_out_and_named(yolo, tmp_path):
    pictures = sorted((yolo / 'images' / 'train').iterdir())
    for path in pictures[:2]:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 45 // 100])
    data = read_data(yolo)
    assert {x.file_name for x in data.splits['train'].records} == {x.name for x in pictures[2:]}
    assert len(data.anomalies) == 2
    (note,) = [x for x in data.notes if x.startswith('image left out with its labels: 2, the first ')]
    assert pictures[0].name in note
    write_annotations(data, tmp_path / 'written')
    written = json.loads((tmp_path / 'written' / 'train.json').read_text())
    assert len(written['images']) == 2 and {x['image_id'] for x in written['annotations']} <= {1, 2}
    for path in pictures[2:]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 45 // 100])
    with pytest.raises(UserError, match=rf'train: 4 of 4 images cannot be .*{pictures[0].name}: .*detplug inspect'):
        read_data(yolo)


def test_what_was_left_out_is_named(yolo):
    labels = sorted((yolo / 'labels' / 'train').iterdir())
    for label in labels[:2]:
        label.unlink()
    notes = read_data(yolo).notes
    assert any(re.match(rf'no label file, .*: 2, the first .*{labels[0].stem}', note) for note in notes)


def test_splits_that_no_training_has_are_refused(yolo):
    text = (yolo / 'data.yaml').read_text()
    (yolo / 'data.yaml').write_text(text.replace('train: ', 'fold1: '))
    with pytest.raises(UserError, match='fold1: no split that a training has; name the splits train, val'):
        read_data(yolo)
    (yolo / 'data.yaml').write_text('\n'.join(x for x in text.splitlines() if not x.startswith('train: ')))
    with pytest.raises(UserError, match='train: missing; name the splits'):
        read_data(yolo)


def test_a_data_set_without_labels_in_train_is_refused(yolo):
    for label in (yolo / 'labels' / 'train').iterdir():
        label.write_text('')
    with pytest.raises(UserError, match='train: no object of any class that is learned'):
        read_data(yolo)
