"""Detections that training in `boxes` mode learns from: the truth, disturbed as a real detector disturbs it (ours).

The noise is a bootstrap. fit_noise.py compares the detections of a real detector with the truth of real photographs and
keeps a row for each found object, each missed one and each wrong box. :meth:`BoxNoise.draw` gives an object the fate
of a real object of its size: found with that score, shift and growth together, so that a doubtful box is off too, found
under another name, or missed; and adds wrong boxes, as many as real images of that many objects have.

Letters: G objects of the truth, D detections, S groups of sizes. Boxes are xyxy px.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class NoiseTable:
    """What a detector did, in plain lists.

    Args:
        edges: S - 1 sizes (root of the share of the image) between the groups.
        objects: for each size rows [score, shift x, shift y, growth x, growth y, same name]; score 0: missed. Shifts
            are shares of the side, growths are logarithms.
        near: rows of wrong boxes at an object: as above.
        free: rows of other wrong boxes: [score, centre x, centre y, width, height], shares of the image.
        near_rate: wrong boxes at an object, an object; free_rate: other wrong boxes, an image.
        source: which detector on which images.
    """

    edges: list[float]
    objects: list[list[list[float]]]
    near: list[list[float]]
    free: list[list[float]]
    near_rate: float
    free_rate: float
    source: str = ''


class BoxNoise:
    """Draws detections from a :class:`NoiseTable`.

    Args:
        table: or its fields as a dict.
        score_thr: detections below are left out.
        classes: O; wrong names and the names of free wrong boxes are drawn from the labels of the image, and a wrong
            name in ``confused`` of the cases from all classes.
    """

    def __init__(self, table: NoiseTable | dict, score_thr: float = 0.05, classes: int = 1, confused: float = 0.5):
        table = NoiseTable(**table) if isinstance(table, dict) else table
        self.edges = np.array(table.edges)
        self.counts = np.array([len(rows) for rows in table.objects])
        most = max(self.counts.max(), 1)
        self.rows = np.zeros((len(table.objects), most, 6))
        for number, rows in enumerate(table.objects):
            self.rows[number, : len(rows)] = np.array(rows).reshape(-1, 6)
        self.near, self.free = np.array(table.near).reshape(-1, 6), np.array(table.free).reshape(-1, 5)
        self.near_rate, self.free_rate = table.near_rate, table.free_rate
        self.score_thr, self.classes, self.confused = score_thr, classes, confused

    def draw(
        self, boxes: np.ndarray, labels: np.ndarray, size: tuple[int, int], generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detections of one image.

        Args:
            boxes: (G, 4); labels: (G,); size: width and height of the image.

        Returns:
            (D, 4) float32 boxes inside the image, (D,) int64 labels, (D,) float32 scores; the highest scores first.
        """
        group = np.searchsorted(self.edges, relative_size(boxes, size))
        chosen = (generator.random(len(boxes)) * self.counts[group]).astype(int)
        disturbed = self._disturbed(boxes, labels, self.rows[group, chosen], generator)
        many = generator.poisson(self.near_rate * len(boxes)) if len(self.near) else 0
        whose = generator.integers(0, max(len(boxes), 1), many)
        near = self._disturbed(boxes[whose], labels[whose], self.near[pick(self.near, many, generator)], generator)
        rows = self.free[pick(self.free, generator.poisson(self.free_rate) if len(self.free) else 0, generator)]
        centre, half = rows[:, 1:3] * size, rows[:, 3:5] * size / 2
        free = np.concatenate([centre - half, centre + half], 1), self._names(labels, len(rows), generator), rows[:, 0]
        boxes, labels, scores = (np.concatenate(parts) for parts in zip(disturbed, near, free, strict=True))
        boxes = np.clip(boxes, 0, np.tile(size, 2))
        kept = (scores >= self.score_thr) & ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
        order = np.argsort(-scores[kept], kind='stable')
        boxes, labels, scores = (x[kept][order] for x in (boxes, labels, scores))
        return boxes.astype(np.float32), labels.astype(np.int64), scores.astype(np.float32)

    def _disturbed(
        self, boxes: np.ndarray, labels: np.ndarray, rows: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = boxes[:, 2:] - boxes[:, :2]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + rows[:, 1:3] * side
        half = side * np.exp(rows[:, 3:5]) / 2
        other = np.where(
            generator.random(len(labels)) < self.confused,
            generator.integers(0, self.classes, len(labels)),
            self._names(labels, len(labels), generator),
        )
        return np.concatenate([centre - half, centre + half], 1), np.where(rows[:, 5] > 0, labels, other), rows[:, 0]

    def _names(self, labels: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
        return generator.choice(labels if len(labels) else self.classes, number) if number else labels[:0]


def relative_size(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(G,) root of the share of the image."""
    return np.sqrt(np.clip((boxes[:, 2:] - boxes[:, :2]).prod(1), 0, None) / (size[0] * size[1]))


def pick(rows: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
    """Positions of ``number`` rows, drawn with replacement."""
    return generator.integers(0, max(len(rows), 1), number)
