"""Known label errors are data: each entry changes one thing and is listed."""

import pytest

from detplug.data.label_errors import apply_label_errors
from detplug.data.records import ImageRecord, ObjectRecord
from detplug.errors import UserError


def records() -> list[ImageRecord]:
    return [
        ImageRecord(1, 'a.jpg', 40, 30, [ObjectRecord('egg', (0, 0, 5, 5), 7), ObjectRecord('egg', (1, 1, 5, 5), 8)])
    ]


def test_ignore_drop_and_unlabelled():
    found = records()
    lines = apply_label_errors(
        found,
        [
            dict(image='a', object=7, action='ignore', why='blurred'),
            dict(image='a.jpg', object=8, action='drop', why='double'),
            dict(image='a', unlabelled='worm', why='no worm has a box'),
            dict(image='elsewhere', object=1, action='drop', why='another split'),
        ],
        'config',
    )
    assert [(item.name, item.key, item.ignored) for item in found[0].objects] == [
        ('egg', 7, True),
        ('worm', 'whole image', True),
    ]
    assert found[0].objects[1].box == (0, 0, 40, 30)
    assert len(lines) == 3 and all(why in ' '.join(lines) for why in ('blurred', 'double', 'no worm has a box'))


def test_an_entry_without_its_box_is_listed():
    lines = apply_label_errors(records(), [dict(image='a', object=99, action='drop', why='double')], 'config')
    assert lines == ['known label error not found: a.jpg: object 99: double']


@pytest.mark.parametrize(
    'entry',
    [
        dict(image='a', object=7, action='rename', why=''),
        dict(image='a', object=7),
        dict(image='a', action='drop', why=''),
    ],
)
def test_a_wrong_entry_is_refused(entry):
    with pytest.raises(UserError, match='config: known_label_errors'):
        apply_label_errors(records(), [entry], 'config')
