"""Boxes are clipped or dropped, never silently, and what is left lies in the image."""

from hypothesis import example, given
from hypothesis import strategies as st

from detplug.data.records import ImageRecord, ObjectRecord, box_iou, clean_boxes, duplicate_boxes

NUMBERS = st.floats(-100, 200)


def image(*boxes) -> ImageRecord:
    return ImageRecord(1, 'a.jpg', 100, 60, [ObjectRecord('egg', box, i) for i, box in enumerate(boxes)])


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=6))
@example([(0.0, 0.0, 1e-160, 1e-260), (-50.0, 0.0, 1e-160, 1e-260)])  # sides are positive, the area underflows
def test_every_box_is_kept_as_it_is_or_listed(boxes):
    kept, anomalies = clean_boxes(image(*boxes))
    for item in kept:
        x1, y1, x2, y2 = item.box
        assert 0 <= x1 < x2 <= 100 and 0 <= y1 < y2 <= 60 and item.area > 0
    unchanged = sum(max(abs(a - b) for a, b in zip(item.box, boxes[item.key], strict=True)) <= 0.01 for item in kept)
    assert unchanged + len(anomalies) == len(boxes)


def test_kinds_of_anomalies():
    boxes = [(5, 5, 5, 5), (9, 9, 4, 12), (120, 5, 130, 9), (90, 5, 103, 9), (0, 0, 100.004, 60)]
    kept, anomalies = clean_boxes(image(*boxes))
    assert [line.split(':')[0] for line in anomalies] == [
        'degenerate box dropped',
        'degenerate box dropped',
        'box outside the image dropped',
        'box clipped to the image',
    ]
    assert [item.box for item in kept] == [(90, 5, 100, 9), (0, 0, 100, 60)]


def test_an_area_of_the_file_is_kept_and_nothing_else_replaces_it():
    record = image((0, 0, 10, 10), (0, 0, 10, 10))
    record.objects[0].area, record.objects[1].area = 37.0, 0.0
    kept, anomalies = clean_boxes(record)
    assert [item.area for item in kept] == [37, 100] and anomalies[0].startswith('area replaced')


def test_near_duplicates_of_one_name_are_listed():
    record = image((0, 0, 50, 50), (1, 0, 51, 50), (30, 0, 60, 50))
    assert len(duplicate_boxes(record)) == 1
    record.objects[1].name = 'worm'
    assert duplicate_boxes(record) == []


def test_overlap_against_counted_pixels():
    a, b = (0, 0, 6, 4), (2, 1, 8, 5)
    cells = [{(x, y) for x in range(p[0], p[2]) for y in range(p[1], p[3])} for p in (a, b)]
    assert box_iou(a, b) == len(cells[0] & cells[1]) / len(cells[0] | cells[1])
    assert box_iou(a, (6, 0, 7, 4)) == 0 == box_iou(a, (3, 3, 3, 3))
