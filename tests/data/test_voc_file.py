"""A VOC xml of any content gives a record or one UserError of one line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sets import voc_text

from detplug.data.voc_file import read_voc
from detplug.errors import UserError

WILD = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD = voc_text([('egg', 1, 1, 10, 8), ('worm', 5, 6, 48, 32)])
BOMB = '<!DOCTYPE a [<!ENTITY a "xx"><!ENTITY b "&a;&a;&a;">]>' + GOOD.replace('egg', '&b;')
FILE_ENTITY = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>' + GOOD.replace('egg', '&f;')


def error_of(path, content) -> str:
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_voc(path)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)
    return str(caught.value)


def test_pixels_counted_from_one_become_edges(tmp_path):
    (tmp_path / 'a.xml').write_text(GOOD)
    record = read_voc(tmp_path / 'a.xml')
    assert (record.img_id, record.file_name, record.width, record.height) == ('a', 'a.jpg', 48, 32)
    assert [(item.name, item.box) for item in record.objects] == [('egg', (0, 0, 10, 8)), ('worm', (4, 5, 48, 32))]


def test_a_point_stays_without_area(tmp_path):
    (tmp_path / 'a.xml').write_text(voc_text([('egg', 7, 9, 7, 9)]))
    x1, y1, x2, y2 = read_voc(tmp_path / 'a.xml').objects[0].box
    assert (x2 - x1) * (y2 - y1) == 0


def test_difficult_is_an_ignore_region(tmp_path):
    (tmp_path / 'a.xml').write_text(GOOD.replace('<bndbox>', '<difficult>1</difficult><bndbox>', 1))
    assert [item.ignored for item in read_voc(tmp_path / 'a.xml').objects] == [True, False]


@pytest.mark.parametrize(
    'content, words',
    [
        ('', 'not readable as xml'),
        (GOOD[:-5], 'not readable as xml'),
        ('<?xml version="1.0" encoding="martian"?>' + GOOD, 'not readable as xml'),
        (BOMB, 'not readable as xml'),
        (FILE_ENTITY, 'not readable as xml'),
        ('<html/>', 'html'),
        (GOOD.replace('size', 'sizes'), 'size: missing'),
        (GOOD.replace('<width>48</width>', ''), 'size.width'),
        (GOOD.replace('<width>48', '<width>0'), 'size.width'),
        (GOOD.replace('<name>egg</name>', ''), 'object[0].name'),
        (GOOD.replace('<xmin>5</xmin>', '<xmin>five</xmin>'), 'object[1].bndbox.xmin: five'),
        (GOOD.replace('<xmin>5</xmin>', '<xmin>nan</xmin>'), 'object[1].bndbox.xmin: nan'),
        (GOOD.replace('<xmin>5</xmin>', ''), 'object[1].bndbox.xmin'),
        (GOOD.replace('bndbox', 'box'), 'object[0].bndbox: missing'),
    ],
)
def test_each_defect_is_named(tmp_path, content, words):
    assert words in error_of(tmp_path / 'a.xml', content)


@WILD
@given(st.binary(max_size=60), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_any_bytes_in_any_place_are_read_or_refused(tmp_path, junk, start, stop):
    content = GOOD.encode()
    (tmp_path / 'a.xml').write_bytes(content[:start] + junk + content[max(start, stop) :])
    try:
        read_voc(tmp_path / 'a.xml')
    except UserError as error:
        assert '\n' not in str(error)
