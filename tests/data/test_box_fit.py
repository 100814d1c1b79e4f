import numpy as np
import pytest

from detplug.data.box_fit import box_fit


def items_of(side, size, count=50, ratio=1.0):
    instances = [dict(bbox=[10, 10, 10 + side, 10 + side * ratio], bbox_label=0, ignore_flag=0)]
    return [dict(width=size[0], height=size[1], instances=instances) for _ in range(count)]


def test_sizes_are_those_at_the_networks_input():
    fit = box_fit(items_of(16, (4000, 3000), ratio=2), (640, 640))
    np.testing.assert_allclose(fit.network_sizes, [[2.56, 5.12]] * 50)
    assert fit.tiny == 50
    assert fit.describe() == (
        '50 boxes of 50 pictures at 640x640 px: median of the smaller side 3 px, 1 % at most 2.6 px; '
        'larger side: 1 % at least 5 px'
    )


@pytest.mark.parametrize(
    ('size', 'by_sides', 'factor'), [((100, 200), True, 4.0), ((100, 200), False, 6.65), ((200, 100), False, 6.665)]
)
def test_the_factor_is_letterboxes_or_mmcvs(size, by_sides, factor):
    from mmcv import rescale_size

    scale = (1333, 800)
    fit = box_fit(items_of(10, size), scale, by_sides)
    expected = min(1333 / size[0], 800 / size[1]) if by_sides else rescale_size(size, scale, return_scale=True)[1]
    assert fit.factors[0] == pytest.approx(expected) == pytest.approx(factor, rel=0.01)


def test_the_advice_gives_the_smallest_boxes_eight_pixels():
    items = items_of(16, (4000, 3000))
    (line,) = box_fit(items, (640, 640)).advice()
    assert 'an input of 2016x2016 px would do, or --tile 1280 --overlap 0.1' in line
    assert box_fit(items, (2016, 2016)).advice() == []
    tiles = [dict(item, width=1280, height=1280) for item in items]
    assert box_fit(tiles, (640, 640)).advice() == []


def test_ignored_boxes_and_pictures_without_boxes():
    items = items_of(2, (100, 100))
    items[0] = dict(items[0], instances=[dict(items[0]['instances'][0], ignore_flag=1)])
    assert len(box_fit(items, (64, 64)).sizes) == 49
    empty = box_fit([dict(width=10, height=10, instances=[])], (64, 64))
    assert empty.describe() == 'no boxes in 1 pictures' and empty.advice() == [] and empty.tiny == 0
    assert box_fit([], (64, 64)).advice() == []
