import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.data.tile_items import tile_items
from detplug.errors import UserError

SIZE = (300, 200)


def item_of(boxes, size=SIZE, **more):
    instances = [dict(bbox=list(map(float, box)), bbox_label=i, ignore_flag=0) for i, box in enumerate(boxes)]
    return dict(img_path='a.png', img_id=7, width=size[0], height=size[1], instances=instances) | more


@st.composite
def some_boxes(draw):
    boxes = []
    for _ in range(draw(st.integers(0, 5))):
        x, y = draw(st.floats(0, 280)), draw(st.floats(0, 180))
        boxes.append((x, y, draw(st.floats(x + 1, 300)), draw(st.floats(y + 1, 200))))
    return boxes


@given(some_boxes(), st.sampled_from([64, 96, 250]), st.floats(0, 0.5))
def test_a_tile_holds_what_lies_in_it_and_every_object_counts_in_some_tile(boxes, tile, overlap):
    parts = tile_items(item_of(boxes), tile, overlap)
    counted = set()
    for part in parts:
        x1, y1, x2, y2 = part['tile']
        assert (part['width'], part['height']) == (x2 - x1, y2 - y1)
        labels = [instance['bbox_label'] for instance in part['instances']]
        inside = [i for i, b in enumerate(boxes) if min(b[2], x2) > max(b[0], x1) and min(b[3], y2) > max(b[1], y1)]
        assert labels == inside
        for instance in part['instances']:
            whole = boxes[instance['bbox_label']]
            expected = np.clip(np.subtract(whole, (x1, y1, x1, y1)), 0, (x2 - x1, y2 - y1) * 2)
            np.testing.assert_allclose(instance['bbox'], expected, atol=1e-9)
            if not instance['ignore_flag']:
                counted.add(instance['bbox_label'])
    assert counted == set(range(len(boxes)))


def test_a_small_piece_is_ignored_and_no_background():
    parts = tile_items(
        item_of([(40, 10, 70, 30)], (120, 50)), 64, 0.1
    )  # the first tile ends at 64, the second begins at 56
    assert [[(x['bbox'], x['ignore_flag']) for x in part['instances']] for part in parts] == [
        [([40, 10, 64, 30], 0)],
        [([0, 10, 14, 30], 0)],
    ]
    parts = tile_items(item_of([(56, 10, 100, 30)], (120, 50)), 64, 0.1)
    assert [[x['ignore_flag'] for x in part['instances']] for part in parts] == [[1], [0]]


def test_ignored_stays_ignored_areas_and_unknown_objects_are_cut_too():
    item = item_of(
        [(50, 10, 70, 30)], (120, 50), unknown_instances=[dict(bbox=[0.0, 0, 10, 10], name='x', ignore_flag=0)]
    )
    item['instances'][0] |= dict(ignore_flag=1, area=200.0)
    first, second = tile_items(item, 64, 0.1)
    assert first['instances'][0]['ignore_flag'] == second['instances'][0]['ignore_flag'] == 1
    assert first['instances'][0]['area'] == pytest.approx(200 * 14 / 20)
    assert [len(part['unknown_instances']) for part in (first, second)] == [1, 0]
    assert item['instances'][0]['bbox'] == [50, 10, 70, 30]


def test_a_picture_that_one_tile_holds_is_left_as_it_is():
    item = item_of([(1, 1, 5, 5)])
    assert tile_items(item, 300, 0.2) == [item]


def test_masks_and_items_without_a_size_are_refused():
    item = item_of([(1, 1, 5, 5)])
    item['instances'][0]['mask'] = [[1, 1, 5, 1, 5, 5]]
    with pytest.raises(UserError, match='masks'):
        tile_items(item, 64, 0.2)
    with pytest.raises(UserError, match='a.png: width, height'):
        tile_items(dict(img_path='a.png', instances=[]), 64, 0.2)
