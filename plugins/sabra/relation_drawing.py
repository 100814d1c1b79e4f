"""Relations drawn on a picture: an arrow from subject to object with the predicate on it."""

from collections.abc import Sequence

import cv2
import numpy as np

from detplug.drawing.boxes import draw_boxes, write_labels
from detplug.drawing.colours import class_colour

MOST = 12  # relations that stay readable on one picture
HALO = (20, 20, 20)  # BGR


def draw_relations(
    image_bgr: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray | None,
    classes: Sequence[str],
    triplets: np.ndarray,
    chances: np.ndarray | None,
    predicates: Sequence[str],
) -> np.ndarray:
    """A copy of the picture with its boxes and its best relations.

    Args:
        image_bgr, boxes, labels, scores, classes: as :func:`detplug.drawing.boxes.draw_boxes` takes them; only boxes
            that take part in a relation that is shown, or all where there is none, are drawn.
        triplets: (T, 3) subject and object (indices into boxes; object -1: none), predicate; the best first.
        chances: (T,) scores of the relations, None for the truth.
        predicates: names.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    used = drawn_boxes(triplets, len(boxes))
    picture = draw_boxes(image_bgr, boxes[used], labels[used], None if scores is None else scores[used], classes)
    draw_arrows(picture, boxes, triplets, chances, predicates)
    return picture


def drawn_boxes(triplets: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool: the boxes that take part in a relation that is drawn; all where there is none."""
    shown = triplets[:MOST, :2]
    used = np.zeros(count, bool)
    used[shown[shown >= 0]] = True
    return used if len(shown) else ~used


def draw_arrows(
    picture: np.ndarray, boxes: np.ndarray, triplets: np.ndarray, chances: np.ndarray | None, predicates: Sequence[str]
) -> None:
    """Arrows and predicates of the best relations, in place; arguments as of :func:`draw_relations`."""
    thickness = max(1, round(min(picture.shape[:2]) / 240))
    positions, texts, colours, taken = [], [], [], {}
    for number, (subject, target, predicate) in enumerate(triplets[:MOST].tolist()):
        colour = class_colour(predicate)
        start = centre(boxes[subject])
        end = centre(boxes[target]) if target >= 0 else start
        if target >= 0:
            arrow(picture, start, end, colour[::-1], thickness)
        text = predicates[predicate] if chances is None else f'{predicates[predicate]} {chances[number]:.2f}'
        middle = (start + end) / 2 if target >= 0 else np.array([boxes[subject, 0], boxes[subject, 3]])
        # names of one pair stand below one another; those without object stack up from the lower edge
        step = 16 * max(1, thickness / 2) * (1 if target >= 0 else -1)
        line = taken[subject, target] = taken.get((subject, target), -1) + 1
        positions.append(middle + (0, line * step))
        texts.append(text)
        colours.append(colour)
    write_labels(picture, np.array(positions).reshape(-1, 2), texts, colours)


def arrow(picture: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Sequence[int], thickness: int) -> None:
    """An arrow with a dark rim, in place; ``colour`` is BGR."""
    length = max(float(np.linalg.norm(end - start)), 1.0)
    points = tuple(int(v) for v in start.round()), tuple(int(v) for v in end.round())
    tip = min(0.3, 12 * thickness / length)
    for shade, width in ((HALO, thickness + 2), (tuple(int(v) for v in colour), thickness)):
        cv2.arrowedLine(picture, *points, shade, width, cv2.LINE_AA, tipLength=tip)


def centre(box: np.ndarray) -> np.ndarray:
    """(2,) of an xyxy box."""
    return (box[:2] + box[2:]) / 2
