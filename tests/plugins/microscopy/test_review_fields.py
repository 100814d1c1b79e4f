"""Fields of view around what was decided on a slide, as training reads them."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_process import train_on
from review_tabs import Tab, predict

from detplug.images.slides import Slide
from plugins.microscopy.review.command import main
from plugins.microscopy.review.fields_of_view import Field, fields_around
from plugins.microscopy.review.results import read_results
from plugins.microscopy.review.review import Digests, Review

sides = st.integers(1, 400)
box_lists = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), sides, sides), max_size=20)


@given(box_lists, st.integers(400, 3000), st.integers(400, 3000), st.integers(16, 1024))
def test_each_box_is_whole_in_a_field_and_fields_lie_inside(places, width, height, side):
    boxes = np.array([(x * (width - w), y * (height - h), w, h) for x, y, w, h in places]).reshape(-1, 4)
    fields = fields_around(boxes, (width, height), side)
    assert len(fields) <= len(boxes)
    for field in fields:
        assert field.x >= 0 and field.y >= 0 and field.x + field.width <= width and field.y + field.height <= height
        assert field.width >= min(side, width) and field.height >= min(side, height)
    for box in boxes:
        assert max(field.shares(box[None])[0] for field in fields) > 1 - 1e-6


def test_boxes_near_one_another_share_a_field():
    boxes = np.array([[100, 100, 20, 20], [130, 90, 20, 20], [900, 900, 20, 20.0]])
    assert fields_around(boxes, (1000, 1000), 256) == [Field(0, 0, 256, 256), Field(744, 744, 256, 256)]


def test_what_an_edge_cuts_is_clipped():
    field = Field(100, 100, 50, 50)
    boxes = np.array([[90, 120, 20, 10], [110, 110, 10, 10], [0, 0, 20, 20.0]])
    assert field.shares(boxes).tolist() == [0.5, 1.0, 0.0]
    assert field.clip(boxes)[:2].tolist() == [[0, 20, 10, 10], [10, 10, 10, 10]]


@pytest.fixture
def slide_run(tmp_path):
    """Results of a slide of 640x480 px with 3 boxes in each of its tiles."""
    tifffile = pytest.importorskip('tifffile')
    pytest.importorskip('tiffslide', reason="pip install 'detplug[slides]'")
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 250, (48, 64, 3), np.uint8), (640, 480))
    path = tmp_path / 'a.ome.tif'
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric='rgb', metadata={'axes': 'YXS'})
    return predict(tmp_path, paths=[path], options=('--tile', '64', '--overlap', '0.25'))


def test_a_reviewed_slide_trains(slide_run, tmp_path, monkeypatch, capsys):
    results = read_results(slide_run)
    review = Review(results, slide_run / 'review', results.names, 'reader', Digests(results))
    tab = Tab(review)
    chosen = list(review.row)[:4]
    for key, action in zip(chosen, ('accept', 'unknown', 'reject', 'accept'), strict=True):
        tab.decide(key, action)
    tab.decide('n1', 'draw', name='Würmer', bbox=[300, 300, 30, 20], picture=0)
    review.log.close()
    assert main([str(slide_run), '--write']) == 0
    path = slide_run / 'review' / 'corrected.json'
    data = json.loads(path.read_text())
    (number,) = results.pictures
    slide = Slide(results.pictures[number].item.path)
    for image in data['images']:
        x, y, width, height = (int(v) for v in image['file_name'][:-4].replace('x', '-').split('-')[-4:])
        assert max(width, height) <= 64 and (image['width'], image['height']) == (width, height)
        np.testing.assert_array_equal(cv2.imread(image['file_name']), slide.read_region(x, y, width, height))
        for row in (row for row in data['annotations'] if row['image_id'] == image['id'] and not row.get('ignore')):
            box = [x + row['bbox'][0], y + row['bbox'][1], *row['bbox'][2:]]
            states = [review.state(key) for key in (*chosen, 'n1')]
            assert any(np.allclose(box, s['bbox'], atol=0.02) and s['status'] == row['review'] for s in states)
    labels = {row['review'] for row in data['annotations'] if not row.get('ignore')}
    assert labels == {'accepted', 'unknown', 'drawn'}
    assert len({image['id'] for image in data['images']}) == len(data['images']) > 1
    assert train_on(path, tmp_path, monkeypatch) == 0, capsys.readouterr().err
