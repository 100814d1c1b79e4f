"""An engine that answers from the truth, and layouts of objects to ask it about."""

from dataclasses import dataclass, field

import numpy as np

NAMES = ('egg', 'cyst', 'worm')


@dataclass
class Answer:
    """What an engine says of a picture."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    fields: dict = field(default_factory=dict)


class Truth:
    """A picture of which only the objects are known; a region of it is an array that holds where it lies."""

    def __init__(self, boxes: np.ndarray, labels: np.ndarray, size: tuple[int, int]):
        self.boxes, self.labels, self.size = boxes, labels, size
        self.reads = []

    def read_region(self, x, y, width, height):
        self.reads.append((x, y, width, height))
        return np.array([x, y, width, height])


class Oracle:
    """The boxes of a region clipped to it, as a detector would see them; the score falls with the visible part.

    ``least``: share of an object that must be visible. ``jitter``: px, standard deviation of each side.
    """

    names, fields, device, batch, window = NAMES, ('number',), 'cpu', 4, None

    def __init__(self, truth: Truth, least: float = 0.0, jitter: float = 0.0, seed: int = 0):
        self.truth, self.least, self.jitter, self.rng = truth, least, jitter, np.random.default_rng(seed)
        self.largest_batch = 0

    def __call__(self, regions):
        self.largest_batch = max(self.largest_batch, len(regions))
        return [self._answer(*map(int, region)) for region in regions]

    def _answer(self, x, y, width, height):
        whole = self.truth.boxes - (x, y, x, y)
        boxes = whole + self.jitter * self.rng.standard_normal(whole.shape)
        boxes = np.clip(boxes, 0, (width, height, width, height))
        share = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), 1) / np.prod(whole[:, 2:] - whole[:, :2], 1)
        seen = ((boxes[:, 2:] - boxes[:, :2]).min(1, initial=9) > 0) & (share >= self.least)
        order = seen.nonzero()[0][np.argsort(-share[seen], kind='stable')]
        return Answer(boxes[order], 0.2 + 0.7 * share[order], self.truth.labels[order], {'number': order})


def layout(rng, size, count, side, touching=0.0, most_iou=0.3) -> Truth:
    """``count`` objects with sides from ``side`` = (least, most) px; a share of them ``touching`` the one before.

    No two of one class overlap by an IoU above ``most_iou``.
    """
    boxes, labels = [], []
    while len(boxes) < count:
        extent = np.exp(rng.uniform(*np.log(side))) * np.exp(rng.uniform(-0.5, 0.5, 2))
        extent = np.minimum(extent, np.array(size) * 0.9)
        corner = rng.uniform(0, np.array(size) - extent)
        label = int(rng.integers(len(NAMES)))
        if boxes and rng.random() < touching:
            beside = boxes[-1]
            corner = beside[:2] + rng.choice([(1, 0), (0, 1), (1, 1)]) * (beside[2:] - beside[:2]) * rng.uniform(0.7, 1)
            corner, label = np.clip(corner, 0, np.array(size) - extent), labels[-1]
        box = np.concatenate([corner, corner + extent])
        others = np.array([b for b, other in zip(boxes, labels, strict=True) if other == label]).reshape(-1, 4)
        if iou(box[None], others).max(initial=0) <= most_iou:
            boxes.append(box)
            labels.append(label)
    return Truth(np.array(boxes).reshape(-1, 4), np.array(labels, np.int64), size)


def iou(a, b):
    """(A, B) intersection over union."""
    side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.prod(np.maximum(side, 0), 2)
    areas = [np.prod(x[:, 2:] - x[:, :2], 1) for x in (a, b)]
    return both / (areas[0][:, None] + areas[1] - both)


def misses_and_doubles(truth: Truth, detections, least_iou: float) -> tuple[int, int]:
    """(objects without a box of their class, boxes that are no object's), each box and object used once."""
    overlap = iou(truth.boxes, detections.boxes) * (truth.labels[:, None] == detections.labels)
    pairs = 0
    while overlap.size and overlap.max() >= least_iou:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[row], overlap[:, column] = 0, 0
        pairs += 1
    return len(truth.boxes) - pairs, len(detections.boxes) - pairs
