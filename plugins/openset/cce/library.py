"""The Foreground information Library of CCE: crops of known objects, a ring buffer for each class. K classes."""

from collections import deque
from collections.abc import Iterable

import numpy as np
import torch

from .class_control import draw_probabilities
from .embedding import Crop


class ForegroundLibrary:
    """Crops by class and the counts that class control weighs with.

    Args:
        classes: K.
        slots: crops a class; a new one replaces the oldest.
        eta: exponent of class control.
        momentum: of the running counts.
    """

    def __init__(self, classes: int, slots: int = 64, eta: float = 1.0, momentum: float = 0.01):
        self.crops = [deque(maxlen=slots) for _ in range(classes)]
        self.counts = np.zeros(classes)
        self.eta, self.momentum = eta, momentum

    def add(self, crops: Iterable[Crop]) -> None:
        """Keep crops of known classes; a label that is none raises IndexError (an unknown is never kept)."""
        for crop in crops:
            if not 0 <= crop.label < len(self.crops):
                raise IndexError(f'label {crop.label}: the library holds the known classes 0..{len(self.crops) - 1}')
            self.crops[crop.label].append(crop)

    def observe(self, counts: np.ndarray) -> None:
        """(K,) labelled and pseudo-labelled objects of one step, into the running counts."""
        self.counts += self.momentum * (np.asarray(counts, np.float64) - self.counts)

    def start_counts(self, counts: np.ndarray) -> None:
        """(K,) objects of the labelled data set: what class control knows before the first step."""
        self.counts = np.asarray(counts, np.float64).copy()

    def draw(self, number: int, generator: np.random.Generator) -> list[Crop]:
        """``number`` crops, rare classes more often; none where the library is empty."""
        chances = draw_probabilities(self.counts, np.array([len(x) > 0 for x in self.crops]), self.eta)
        if chances is None:
            return []
        labels = generator.choice(len(chances), number, p=chances)
        return [self.crops[k][generator.integers(len(self.crops[k]))] for k in labels]

    def state_dict(self) -> dict:
        """Plain data and tensors, for a checkpoint."""
        rows = [
            dict(
                pixels=torch.from_numpy(crop.pixels),
                box=torch.from_numpy(np.asarray(crop.box, np.float32)),
                label=crop.label,
                source=crop.source,
                score=float(crop.score),
                image_id=crop.image_id,
                tone=None if crop.tone is None else torch.from_numpy(crop.tone),
            )
            for ring in self.crops
            for crop in ring
        ]
        return dict(crops=rows, counts=torch.from_numpy(self.counts.copy()))

    def load_state_dict(self, state: dict) -> None:
        """What :meth:`state_dict` gave."""
        for ring in self.crops:
            ring.clear()
        self.add(
            Crop(**{key: x.numpy() if isinstance(x, torch.Tensor) else x for key, x in row.items()})
            for row in state['crops']
        )
        self.counts = state['counts'].numpy().copy()
