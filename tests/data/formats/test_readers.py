"""Exports of annotation tools are read as those tools write them; bad files are one line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from results_folder import box, write_results

from detplug.cli.main import main
from detplug.data.formats.formats import FORMATS, read_set
from detplug.data.formats.label_studio import ROOT
from detplug.errors import UserError


def image(path: Path, width=100, height=50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))
    return path


def boxes(annotations) -> dict:
    return {r.file_name: [(item.name, tuple(round(x, 3) for x in item.box)) for item in r.objects]
            for r in annotations.records}  # fmt: skip


def test_roboflow_coco(tmp_path):
    categories = [dict(id=0, name='cells', supercategory='none'), dict(id=1, name='RBC', supercategory='cells')]
    for split in ('train', 'valid'):
        image(tmp_path / split / f'{split}.jpg')
        content = dict(
            images=[dict(id=0, file_name=f'{split}.jpg', width=100, height=50)],
            annotations=[dict(id=0, image_id=0, category_id=1, bbox=[1, 2, 30, 40], area=1200, iscrowd=0)],
            categories=categories,
        )
        (tmp_path / split / '_annotations.coco.json').write_text(json.dumps(content))
    form, annotations = read_set(tmp_path)
    assert form == 'coco' and annotations.names == ['RBC'] and [s.name for s in annotations.splits] == ['train', 'val']
    assert boxes(annotations)['train.jpg'] == [('RBC', (1, 2, 31, 42))]
    assert all(split.path(record) for split in annotations.splits for record in split.records)
    assert any('root category' in line for line in annotations.anomalies)


def test_roboflow_yolo_with_polygons_and_paths_that_lead_out(tmp_path):
    image(tmp_path / 'train' / 'images' / 'a.jpg')
    image(tmp_path / 'train' / 'images' / 'empty.jpg')
    (tmp_path / 'train' / 'labels').mkdir()
    (tmp_path / 'train' / 'labels' / 'a.txt').write_text('1 0.5 0.5 0.2 0.4\n0 0.1 0.2 0.3 0.2 0.2 0.6\n')
    (tmp_path / 'data.yaml').write_text('train: ../train/images\nnc: 2\nnames: [RBC, "WBC"]\nroboflow: {version: 1}\n')
    form, annotations = read_set(tmp_path)
    assert form == 'yolo' and annotations.names == ['RBC', 'WBC']
    assert boxes(annotations) == {'a.jpg': [('WBC', (40, 15, 60, 35)), ('RBC', (10, 10, 30, 30))], 'empty.jpg': []}
    kinds = [line.partition(':')[0] for line in annotations.anomalies]
    assert kinds == ['polygon read as its box', 'no label file, so read as without objects']


def test_pictures_turned_by_exif_are_listed_where_no_size_says_how_they_were_annotated(tmp_path):
    exif = Image.Exif()
    for name, exif[0x112] in (('turned', 6), ('upright', 1)):
        (tmp_path / 'images').mkdir(exist_ok=True)
        Image.new('RGB', (50, 100)).save(tmp_path / 'images' / f'{name}.jpg', exif=exif)
        label = tmp_path / 'labels' / f'{name}.txt'
        label.parent.mkdir(exist_ok=True)
        label.write_text('0 0.5 0.5 0.2 0.4\n')
    (tmp_path / 'data.yaml').write_text('train: images\nnames: [egg]\n')
    annotations = read_set(tmp_path / 'data.yaml')[1]
    assert boxes(annotations)['turned.jpg'] == [('egg', (40, 15, 60, 35))]
    assert annotations.anomalies == ['turned by EXIF, look whether its boxes are: turned.jpg: orientation 6']


CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><labels>
<label><name>egg</name></label><label><name>unused</name></label></labels></task></meta>
<image id="0" name="a/1.jpg" subset="Train" width="100" height="50">
<box label="egg" occluded="0" xtl="1.5" ytl="2.0" xbr="11.5" ybr="12.0" z_order="0"></box>
<box label="egg" xtl="20" ytl="20" xbr="40" ybr="30" rotation="90.0"></box>
<polygon label="egg" points="1.0,1.0;9.0,1.0;5.0,8.0"></polygon><points label="egg" points="3,3"></points></image>
<image id="1" name="2.jpg" subset="Validation" width="100" height="50"></image></annotations>"""


def test_cvat_images(tmp_path):
    (tmp_path / 'annotations.xml').write_text(CVAT)
    form, annotations = read_set(tmp_path)
    assert form == 'cvat' and annotations.names == ['egg', 'unused']
    assert {split.name for split in annotations.splits} == {'Train', 'val'} or {s.name for s in annotations.splits} == {
        'train', 'val'}  # fmt: skip
    expected = [('egg', (1.5, 2, 11.5, 12)), ('egg', (25, 15, 35, 35)), ('egg', (1, 1, 9, 8))]
    assert boxes(annotations) == {'a/1.jpg': expected, '2.jpg': []}
    assert any('shape without area' in line for line in annotations.anomalies)


def test_a_folder_with_an_xml_of_cvat_for_each_split(tmp_path):
    for name in ('train', 'val'):
        image(tmp_path / 'images' / f'{name}.png')
        label = '<meta><task><labels><label><name>egg</name></label></labels></task></meta>'
        box_ = '<box label="egg" xtl="1" ytl="2" xbr="31" ybr="42"/>'
        text = (
            f'<annotations>{label}<image id="0" name="{name}.png" width="100" height="50">{box_}</image></annotations>'
        )
        (tmp_path / f'{name}.xml').write_text(text)
    form, annotations = read_set(tmp_path)
    assert form == 'cvat' and annotations.names == ['egg'] and [s.name for s in annotations.splits] == ['train', 'val']
    assert boxes(annotations) == dict.fromkeys(('train.png', 'val.png'), [('egg', (1, 2, 31, 42))])
    assert all(split.path(record) for split in annotations.splits for record in split.records)


def darknet(folder: Path) -> None:
    """As CVAT and Datumaro write "YOLO 1.1"; b.png has no object, the list of val no image."""
    for name in 'ab':
        image(folder / 'obj_train_data' / f'{name}.png')
        (folder / 'obj_train_data' / f'{name}.txt').write_text('1 0.5 0.5 0.2 0.4\n' * (name == 'a'))
    (folder / 'train.txt').write_text('data/obj_train_data/a.png\ndata/obj_train_data/b.png\n')
    (folder / 'val.txt').write_text('')
    (folder / 'obj.names').write_text('red cell\nwhite cell\n')
    lists = 'train = data/train.txt\nval = data/val.txt\ntest = data/test.txt\n'
    (folder / 'obj.data').write_text(f'classes = 2\n{lists}names = data/obj.names\nbackup = backup/\n')


@pytest.mark.parametrize('source', ['.', 'obj.data'])
def test_darknets_lists_as_cvat_exports_them(tmp_path, source):
    darknet(tmp_path)
    form, annotations = read_set(tmp_path / source)
    assert form == 'yolo' and annotations.names == ['red cell', 'white cell']
    (train,) = annotations.splits
    assert train.name == 'train' and all(map(train.path, train.records)) and not annotations.anomalies
    files = [f'obj_train_data/{name}.png' for name in 'ab']
    assert boxes(annotations) == {files[0]: [('white cell', (40, 15, 60, 35))], files[1]: []}


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('obj.data', 'train = data/train.txt\n', 'names: missing'),
        ('obj.data', 'names = data/other.names\n', 'other.names'),
        ('obj.data', 'classes = 3\nnames = obj.names\ntrain = train.txt\n', 'classes: 3, but names has 2'),
        ('obj.data', 'names = obj.names\ntrain = elsewhere.txt\n', 'no list of images there'),
        ('obj_train_data/a.txt', '2 0.5 0.5 0.2 0.4\n', 'class 2'),
    ],
)
def test_bad_files_of_darknet_are_one_line(tmp_path, name, text, said):
    darknet(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        read_set(tmp_path)


def test_voc_lists_with_images_that_have_no_xml(tmp_path):
    """CVAT and Datumaro write none for an image without objects."""
    for name in ('a.png', 'b.jpg'):
        image(tmp_path / 'JPEGImages' / name)
    (tmp_path / 'Annotations').mkdir()
    box_ = '<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>31</xmax><ymax>42</ymax></bndbox>'
    size = '<size><width>100</width><height>50</height></size><filename>a.png</filename>'
    text = f'<annotation>{size}<object><name>egg</name>{box_}</object></annotation>'
    (tmp_path / 'Annotations' / 'a.xml').write_text(text)
    lists = tmp_path / 'ImageSets' / 'Main' / 'train.txt'
    lists.parent.mkdir(parents=True)
    lists.write_text('a\nb\nc\n')
    form, annotations = read_set(tmp_path)
    assert form == 'voc' and boxes(annotations) == {'a.png': [('egg', (1, 2, 31, 42))], 'b.jpg': []}
    assert annotations.anomalies == [
        'no xml, so read as without objects: b.jpg', 'in a list, but neither xml nor image: c',
    ]  # fmt: skip
    lists.write_text('b\nc\n')
    with pytest.raises(UserError, match='b: has no xml in .*, nor has any other'):
        read_set(tmp_path)


def test_cvat_video(tmp_path):
    (tmp_path / 'annotations.xml').write_text(
        '<annotations><meta><task><labels><label><name>w</name></label></labels><original_size><width>64</width>'
        '<height>48</height></original_size></task></meta><track id="0" label="w">'
        '<box frame="0" outside="0" xtl="1" ytl="1" xbr="5" ybr="5"/>'
        '<box frame="2" outside="1" xtl="1" ytl="1" xbr="5" ybr="5"/></track></annotations>'
    )
    _, annotations = read_set(tmp_path)
    assert boxes(annotations) == {'frame_000000.PNG': [('w', (1, 1, 5, 5))]}


def test_via_project_and_flat_export(tmp_path):
    image(tmp_path / 'a.png')
    regions = [
        dict(shape_attributes=dict(name='rect', x=1, y=2, width=10, height=20), region_attributes=dict(type='egg')),
        dict(shape_attributes=dict(name='circle', cx=50, cy=25, r=5), region_attributes=dict(type={'egg': True})),
        dict(shape_attributes=dict(name='polygon', all_points_x=[1, 9, 5], all_points_y=[1, 1, 8]),
             region_attributes=dict(type='cyst')),
        dict(shape_attributes=dict(name='point', cx=1, cy=1), region_attributes=dict(type='egg')),
        dict(shape_attributes=dict(name='rect', x=1, y=2, width=3, height=4), region_attributes={}),
    ]  # fmt: skip
    entry = dict(filename='a.png', size=99, regions=regions, file_attributes={})
    expected = {'a.png': [('egg', (1, 2, 11, 22)), ('egg', (45, 20, 55, 30)), ('cyst', (1, 1, 9, 8))]}
    path = tmp_path / 'via.json'
    for content in ({'_via_img_metadata': {'a.png99': entry}, '_via_settings': {}}, {'a.png99': entry},
                    {'a.png99': entry | dict(regions={str(i): x for i, x in enumerate(regions)})}):  # fmt: skip
        path.write_text(json.dumps(content))
        form, annotations = read_set(path)
        assert form == 'via' and boxes(annotations) == expected and annotations.names == ['cyst', 'egg']
        assert (annotations.splits[0].records[0].width, annotations.splits[0].records[0].height) == (100, 50)
        assert len(annotations.anomalies) == 3


def test_label_studio_export(tmp_path):
    value = dict(x=10, y=20, width=30, height=40, rotation=0, rectanglelabels=['egg'])
    result = dict(type='rectanglelabels', original_width=100, original_height=50, value=value)
    tasks = [
        dict(id=1, data=dict(image=f'/{ROOT}/upload/3/ab12-a%20b.png'), annotations=[dict(result=[result])]),
        dict(id=2, data=dict(image=f'/{ROOT}/local-files/?d=sub/c%2Bd.png', width=100, height=50), annotations=[]),
    ]
    (tmp_path / 'export.json').write_text(json.dumps(tasks))
    form, annotations = read_set(tmp_path)
    assert form == 'label-studio'
    assert boxes(annotations) == {'ab12-a b.png': [('egg', (10, 10, 40, 30))], 'sub/c+d.png': []}


def test_a_turned_rectangle_of_label_studio_turns_about_its_corner(tmp_path):
    value = dict(x=50, y=40, width=20, height=20, rotation=90, rectanglelabels=['egg'])
    result = dict(type='rectanglelabels', original_width=100, original_height=50, value=value)
    (tmp_path / 'e.json').write_text(json.dumps([dict(data=dict(image='a.png'), annotations=[dict(result=[result])])]))
    assert boxes(read_set(tmp_path)[1]) == {'a.png': [('egg', (40, 20, 50, 40))]}


def test_qupath_export(tmp_path):
    image(tmp_path / 'slide.png')
    ring = [[10, 5], [30, 5], [20, 25], [10, 5]]
    features = [
        dict(type='Feature', geometry=dict(type='Polygon', coordinates=[ring]),
             properties=dict(objectType='annotation', classification=dict(name='Tumor', color=[200, 0, 0]))),
        dict(type='Feature', geometry=dict(type='Polygon', coordinates=[ring]), properties={}),
        dict(type='Feature', geometry=dict(type='Point', coordinates=[1, 1]),
             properties=dict(classification=dict(name='Tumor'))),
    ]  # fmt: skip
    (tmp_path / 'slide.geojson').write_text(json.dumps(dict(type='FeatureCollection', features=features)))
    form, annotations = read_set(tmp_path)
    assert form == 'geojson' and boxes(annotations) == {'slide.png': [('Tumor', (10, 5, 30, 25))]}
    assert len(annotations.anomalies) == 3


def test_predictions_become_pre_annotations(tmp_path):
    run = write_results(tmp_path / 'run', {'p/1.png': [('egg', 0.9, box(0)), ('cyst', 0.3, box(3))], 'p/2.png': []})
    assert main(['convert-annotations', str(run), str(tmp_path / 'out'), '--to', 'label-studio']) == 0
    first, second = json.loads((tmp_path / 'out' / 'all.json').read_text())
    (prediction,) = first['predictions']
    assert [round(item['score'], 3) for item in prediction['result']] == [0.9, 0.3]
    assert prediction['score'] == pytest.approx(0.3) and second['annotations'] == [dict(result=[])]
    _, annotations = read_set(tmp_path / 'out')
    assert [item.score for item in annotations.splits[0].records[0].objects] == pytest.approx([0.9, 0.3])
    assert main(['convert-annotations', str(run), str(tmp_path / 'coco'), '--to', 'coco']) == 0
    assert 'scores dropped' in (tmp_path / 'coco' / 'anomalies.txt').read_text()


def test_what_a_format_cannot_say_is_listed(tmp_path, capsys):
    image(tmp_path / 'src' / 'images' / 'a.png')
    content = dict(
        images=[dict(id=1, file_name='a.png', width=100, height=50)],
        annotations=[
            dict(id=1, image_id=1, category_id=1, bbox=[-5, 0, 30, 30], iscrowd=0),
            dict(id=2, image_id=1, category_id=1, bbox=[0, 0, 30, 30], iscrowd=1),
            dict(id=3, image_id=1, category_id=1, bbox=[5, 5, 0.5, 9], iscrowd=0),
            dict(id=4, image_id=1, category_id=1, bbox=[5, 5, 0, 9], iscrowd=0),
        ],
        categories=[dict(id=1, name='egg')],
    )
    (tmp_path / 'src' / 'a.json').write_text(json.dumps(content))
    kinds = {
        'yolo': 'ignored object dropped, the format has no such flag',
        'voc': 'box of a side of 1 px or less dropped, VOC cannot say it',
    }
    for name, expected in kinds.items():
        assert main(['convert-annotations', str(tmp_path / 'src'), str(tmp_path / name), '--to', name]) == 0
        lines = (tmp_path / name / 'anomalies.txt').read_text().splitlines()
        both = ['box clipped to the image', 'degenerate box dropped']
        assert sorted({line.partition(':')[0] for line in lines}) == sorted([*both, expected])
    assert '1 x box clipped to the image' in capsys.readouterr().out


def test_renaming_joins_classes(tmp_path):
    image(tmp_path / 'src' / 'images' / 'a.png')
    annotations = [dict(id=i, image_id=1, category_id=i, bbox=[1, 1, 9, 9], iscrowd=0) for i in (1, 2)]
    content = dict(images=[dict(id=1, file_name='a.png', width=100, height=50)], annotations=annotations,
                   categories=[dict(id=1, name='egg'), dict(id=2, name='Egg ')])  # fmt: skip
    (tmp_path / 'src' / 'a.json').write_text(json.dumps(content))
    words = ['convert-annotations', str(tmp_path / 'src'), str(tmp_path / 'out'), '--to', 'voc']
    assert main(words) == 2  # VOC cannot hold a space at the end
    assert main([*words, '--rename', 'Egg =egg']) == 0
    assert read_set(tmp_path / 'out')[1].names == ['egg']
    assert main([*words, '--rename', 'worm=egg']) == 2


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('data.yaml', 'names: 3', 'names'),
        ('data.yaml', 'names: [a]\nnc: 2\ntrain: x', 'nc'),
        ('data.yaml', 'names: [a]', 'train'),
        ('data.yaml', 'names: [a]\ntrain: nowhere', 'nowhere'),
        ('data.yaml', 'names: {1: a}', 'names'),
        ('data.yaml', 'names: [a', 'yaml'),
        ('a.geojson', '{"features": 3}', 'features'),
        ('a.geojson', '{', 'json'),
        ('a.xml', '<annotations><image name="a"/></annotations>', 'width'),
        ('a.xml', '<annotations><image', 'xml'),
        ('a.json', '[{"data": {"text": "x"}}]', 'image'),
        ('a.json', '{"x": {"filename": "a", "regions": []}}', 'no annotated image'),
        ('a.json', '{}', 'known format'),
    ],
)
def test_bad_files_are_one_line(name, text, said, tmp_path, capsys):
    (tmp_path / name).write_text(text)
    assert main(['convert-annotations', str(tmp_path / name), str(tmp_path / 'out'), '--to', 'coco']) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0] and not (tmp_path / 'out').exists()


RECTANGLE = dict(x=10, y=20, width=30, height=40, rotation=0, rectanglelabels=['egg'])
VALID = {  # a small file of each json format
    'geojson': dict(type='FeatureCollection', image=dict(file_name='a.png', width=9, height=9), features=[
        dict(type='Feature', geometry=dict(type='Polygon', coordinates=[[[1, 1], [3, 1], [3, 3], [1, 1]]]),
             properties=dict(classification=dict(name='egg')))]),
    'label-studio': [dict(id=1, data=dict(image='a.png', width=9, height=9), annotations=[
        dict(was_cancelled=False, result=[
            dict(type='rectanglelabels', original_width=9, original_height=9, value=RECTANGLE)])])],
    'via': {'a': dict(filename='a.png', regions=[
        dict(shape_attributes=dict(name='rect', x=1, y=2, width=3, height=4), region_attributes=dict(type='egg')),
        dict(shape_attributes=dict(name='polygon', all_points_x=[1, 2, 3], all_points_y=[1, 2, 1]),
             region_attributes=dict(type='egg'))])},
    'coco': dict(images=[dict(id=1, file_name='a.png', width=9, height=9)], categories=[dict(id=1, name='egg')],
                 annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 3, 3], iscrowd=0)]),
}  # fmt: skip
ODD = [None, True, -1, 0, 1e400, float('nan'), '', 'x', '\ud800', [], {}, [1], [[]], {'a': 1}, [None, None], 10**400]


def addresses(content, path=()):
    """The paths of all values in a json."""
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from addresses(value, (*path, key))


def replaced(content, path, value):
    if not path:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = replaced(content[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize('form', VALID)
def test_any_value_at_any_place_is_a_data_set_or_one_error(form, tmp_path):
    path = tmp_path / ('x.geojson' if form == 'geojson' else 'x.json')
    image(tmp_path / 'a.png', 9, 9)
    path.write_text(json.dumps(VALID[form]))
    assert list(read_set(path, form)[1].records)[0].objects
    for address in addresses(VALID[form]):
        for value in ODD:
            path.write_text(json.dumps(replaced(VALID[form], address, value)))
            try:
                read_set(path, form)
            except UserError as error:
                assert '\n' not in str(error)


@settings(deadline=None, max_examples=40)
@given(content=st.text(max_size=60) | st.from_regex(r'([0-2] )?([01]?\.[0-9]{1,3} ?){0,7}', fullmatch=True))
def test_any_label_is_a_data_set_or_one_error(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp('yolo')
    image(folder / 'images' / 'a.png', 9, 9)
    (folder / 'labels').mkdir()
    (folder / 'labels' / 'a.txt').write_text(content, encoding='utf-8', errors='surrogatepass')
    (folder / 'data.yaml').write_text('train: images\nnames: [egg]\n')
    try:
        read_set(folder)
    except UserError as error:
        assert '\n' not in str(error)


def test_formats_that_are_only_read_are_not_written(tmp_path, capsys):
    assert main(['convert-annotations', '.', str(tmp_path / 'x'), '--to', 'cvat']) == 2
    assert 'coco, yolo, voc, geojson, label-studio' in capsys.readouterr().err
    assert {name for name, entry in FORMATS.items() if entry.write is None} == {'cvat', 'via', 'predictions'}
