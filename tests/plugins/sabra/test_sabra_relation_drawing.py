"""Relations on a picture: arrows where the boxes are, names that stay inside, nothing for nothing."""

import numpy as np
import pytest

from plugins.sabra.relation_drawing import draw_relations

BOXES = np.array([[10.0, 10, 60, 110], [120, 60, 180, 110]])
LABELS, SCORES = np.array([0, 1]), np.array([0.9, 0.8])
NAMES, PREDICATES = ('person', 'ball'), ('hold', 'run')


def draw(triplets, chances=None, boxes=BOXES, labels=LABELS, scores=SCORES):
    triplets = np.array(triplets, np.int64).reshape(-1, 3)
    chances = np.full(len(triplets), 0.5) if chances is None else chances
    return draw_relations(
        np.full((120, 200, 3), 255, np.uint8), boxes, labels, scores, NAMES, triplets, chances, PREDICATES
    )


def test_the_arrow_runs_between_the_centres():
    without, with_arrow = draw([(0, -1, 1), (1, -1, 1)]), draw([(0, 1, 0), (0, -1, 1), (1, -1, 1)])
    changed = (without != with_arrow).any(2)
    for share in (0.15, 0.85):  # of the way; the name lies on the middle
        x, y = (1 - share) * np.array([35, 60]) + share * np.array([150, 85])
        assert changed[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any()


def test_without_relations_all_boxes_are_drawn():
    picture = draw([])
    assert (picture[60, 8:12] != 255).any()
    assert (picture[80, 118:122] != 255).any()


def test_boxes_that_take_no_part_are_left_out():
    picture = draw([(0, -1, 1)])
    assert (picture[60, 8:12] != 255).any()
    assert (picture[80, 118:122] == 255).all()


def test_the_picture_is_not_changed_in_place():
    image = np.full((120, 200, 3), 255, np.uint8)
    draw_relations(image, BOXES, LABELS, SCORES, NAMES, np.array([[0, 1, 0]]), np.array([0.5]), PREDICATES)
    assert (image == 255).all()


@pytest.mark.parametrize('count', [1, 40])
def test_many_relations_and_boxes_at_the_edge_are_drawn(count):
    boxes = np.array([[-5.0, -5, 205, 125], [190, 110, 200, 120]])
    assert draw([(0, 1, 0)] * count + [(1, -1, 1)] * count, boxes=boxes).shape == (120, 200, 3)


def test_no_box_at_all():
    assert (draw([], boxes=np.zeros((0, 4)), labels=np.zeros(0, int), scores=np.zeros(0)) == 255).all()
