"""A COCO file of any content gives records or one UserError of one line."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sets import coco_content

from detplug.data.coco_file import read_coco
from detplug.errors import UserError

WILD = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def error_of(path, content) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_coco(path)
    text = str(caught.value)
    assert str(path) in text and '\n' not in text
    return text


def changed(key, index, field, value) -> dict:
    content = coco_content()
    if value is KeyError:
        del content[key][index][field]
    else:
        content[key][index][field] = value
    return content


def test_boxes_become_corners_and_keep_their_names(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(coco_content()))
    names, records, anomalies = read_coco(tmp_path / 'a.json')
    assert names == ['worm', 'egg', 'cyst'] and anomalies == []
    assert [len(record.objects) for record in records] == [3, 3, 0]
    assert records[1].objects[1].box == (6, 3, 16, 11) and records[1].objects[1].name == 'egg'
    assert records[1].objects[1].area == 80 and records[1].objects[1].key == 11


def test_a_missing_file_names_the_cure(tmp_path):
    with pytest.raises(UserError, match=r'none\.json: not found; see data/README'):
        read_coco(tmp_path / 'none.json')


@pytest.mark.parametrize(
    'content, words',
    [
        ('', 'not readable as json'),
        ('{"images": [', 'not readable as json'),
        ('[' * 100000, 'not readable as json'),
        ('{"images": ' + '9' * 5000 + '}', 'not readable as json'),
        ('{}', 'images'),
        ('[]', 'an object with images'),
        (dict(coco_content(), images=[], annotations=[]), 'images: empty'),
        (dict(images=coco_content()['images'], categories=[]), 'annotations: missing'),
        (
            changed('annotations', 2, 'category_id', 99),
            'annotations[2].category_id: 99 is not in categories (ids 1, 2, 3)',
        ),
        (changed('annotations', 2, 'image_id', 99), 'annotations[2].image_id: no image has the id 99'),
        (
            changed('annotations', 2, 'image_id', '0'),
            "annotations[2].image_id: no image has the id '0', but 0: write ids as numbers, or as texts, in the whole",
        ),
        (changed('annotations', 2, 'category_id', '2'), "'2' is not in categories (ids 1, 2, 3), but 2: write ids as"),
        (changed('annotations', 1, 'bbox', [1, 2, 3]), 'annotations[1].bbox'),
        (changed('annotations', 1, 'bbox', [1, 2, 3, float('nan')]), 'annotations[1].bbox'),
        (changed('annotations', 1, 'bbox', [1, 2, 3, 10**400]), 'annotations[1].bbox'),
        (changed('annotations', 1, 'bbox', [1, 2, True, 4]), 'annotations[1].bbox'),
        (changed('annotations', 1, 'bbox', KeyError), 'annotations[1].bbox'),
        (changed('annotations', 1, 'area', 'big'), 'annotations[1].area'),
        (changed('images', 1, 'id', 0), 'images[1].id: 0 is used twice'),
        (changed('images', 1, 'id', [0]), 'images[1].id'),
        (changed('images', 1, 'file_name', None), 'images[1].file_name'),
        (changed('images', 1, 'width', 0), 'images[1].width'),
        (changed('images', 1, 'height', 3.5), 'images[1].height'),
        (changed('categories', 1, 'name', ''), 'categories[1].name'),
        (changed('categories', 1, 'id', 1), 'categories[1].id: 1 is used twice'),
    ],
)
def test_each_defect_is_named(tmp_path, content, words):
    assert words in error_of(tmp_path / 'a.json', content)


@pytest.mark.parametrize('field', ['iscrowd', 'ignore'])
@pytest.mark.parametrize(
    'value, flag',
    [(0, False), (0.0, False), (-0.0, False), (None, False), (False, False), (KeyError, False)]
    + [(1, True), (1.0, True), (True, True)],
)
def test_flags_are_read_however_other_programs_write_them(tmp_path, field, value, flag):
    content = coco_content()
    for entry in content['annotations']:
        del entry['iscrowd']
        if value is not KeyError:
            entry[field] = value
    (tmp_path / 'a.json').write_text(json.dumps(content))
    objects = read_coco(tmp_path / 'a.json')[1][0].objects
    assert [item.ignored for item in objects] == [flag] * 3


@pytest.mark.parametrize('field, other', [('iscrowd', 'ignore'), ('ignore', 'iscrowd')])
@pytest.mark.parametrize('value', [2, -1, 0.5, '0', [], float('nan'), 10**400])
def test_a_flag_that_is_neither_0_nor_1_is_named_alone(tmp_path, field, other, value):
    text = error_of(tmp_path / 'a.json', changed('annotations', 1, field, value))
    assert f'annotations[1].{field}: ' in text and 'is not 0 or 1' in text and other not in text


@pytest.mark.parametrize('odd', ['NaN', '"\\ud800"', '1e999', '10' * 200])
def test_what_only_pythons_reader_takes_is_read_where_no_field_needs_it(tmp_path, odd):
    text = json.dumps(dict(coco_content(), info='here')).replace('"here"', odd)
    (tmp_path / 'a.json').write_text(text)
    assert len(read_coco(tmp_path / 'a.json')[1]) == 3


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'utf-32'])
def test_other_encodings_of_json(tmp_path, encoding):
    (tmp_path / 'a.json').write_text(json.dumps(coco_content(('worm', 'œuf', 'cyst')), ensure_ascii=False), encoding)
    assert read_coco(tmp_path / 'a.json')[0] == ['worm', 'œuf', 'cyst']


def test_masks_are_read_where_asked_for_and_each_must_be_there(tmp_path):
    content = coco_content()
    for entry in content['annotations']:
        entry['segmentation'] = [[1, 2.5, 3, 4, 5, 6]]
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert read_coco(tmp_path / 'a.json')[1][0].objects[0].mask is None
    assert read_coco(tmp_path / 'a.json', masks=True)[1][0].objects[0].mask == [[1, 2.5, 3, 4, 5, 6]]
    del content['annotations'][4]['segmentation']
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match=r'annotations\[4\].segmentation: None is no mask'):
        read_coco(tmp_path / 'a.json', masks=True)


def test_an_annotation_without_id_is_named_by_its_index(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(changed('annotations', 1, 'id', KeyError)))
    assert read_coco(tmp_path / 'a.json')[1][0].objects[1].key == 'annotations[1]'


def test_repeated_files_and_annotation_ids_are_listed(tmp_path):
    content = changed('images', 1, 'file_name', '0.png')
    content['annotations'][1]['id'] = content['annotations'][0]['id']
    (tmp_path / 'a.json').write_text(json.dumps(content))
    kinds = [line.split(':')[0] for line in read_coco(tmp_path / 'a.json')[2]]
    assert kinds == ['file listed twice', 'annotation id used twice']


def reads_or_refuses(path) -> None:
    try:
        read_coco(path)
    except UserError as error:
        assert '\n' not in str(error)


@WILD
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    (tmp_path / 'a.json').write_bytes(content)
    reads_or_refuses(tmp_path / 'a.json')


@WILD
@given(st.data())
def test_any_value_in_any_field_is_read_or_refused(tmp_path, data):
    content = copy.deepcopy(coco_content())
    key = data.draw(st.sampled_from(sorted(content)))
    entry = data.draw(st.sampled_from(content[key]))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(JSON)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    reads_or_refuses(tmp_path / 'a.json')
