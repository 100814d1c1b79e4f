"""The Foreground information Library of CCE: crops by class, and how often each class is drawn. K classes.

The library is the paper's; what it holds and refuses, the counts and the draw are ours.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
import torch

from detplug.errors import UserError

from .chimera import chimera
from .class_control import draw_probabilities
from .embedding import Crop


class ForegroundLibrary:
    """Crops of labelled objects, which stay, and of the teacher's boxes, a ring buffer for each class.

    Args:
        classes: K.
        slots: crops a class of each of the two kinds at most; a new one of the teacher's replaces the oldest.
        eta: exponent of class control.
        momentum: of the running mean of pseudo-labelled objects, a step.
        unknown: label K, "unknown", is a class like the others; otherwise it is refused.
        chimeras: share of the drawn crops that are chimeras, 0 to 0.5; see chimera.py.
    """

    def __init__(
        self,
        classes: int,
        slots: int = 64,
        eta: float = 1.0,
        momentum: float = 0.01,
        unknown: bool = False,
        chimeras: float = 0.0,
    ):
        if not 0 <= chimeras <= 0.5:
            raise UserError(f'config: model.cce.chimeras: {chimeras} is no share from 0 to 0.5')
        self.classes, self.names, self.chimeras = classes, classes + unknown, chimeras
        self.slots, self.eta, self.momentum = slots, eta, momentum
        self.labelled: list[list[Crop]] = [[] for _ in range(self.names)]
        self.pseudo = [deque(maxlen=slots) for _ in range(self.names)]
        self.labelled_counts, self.pseudo_rates = np.zeros(self.names), np.zeros(self.names)
        self.images = self.steps = 0

    @property
    def counts(self) -> np.ndarray:
        """(K,) or (K + 1,) objects that training sees: labelled, and pseudo-labelled in as many unlabelled images."""
        return self.labelled_counts + self.images * self.pseudo_rates

    def start(self, counts: np.ndarray, images: int) -> None:
        """(K,) objects of the labelled data set and its number of images: what class control knows at first."""
        self.labelled_counts[: len(counts)], self.images = counts, images

    def add(self, crops: Iterable[Crop]) -> None:
        """Keep crops.

        Raises:
            IndexError: a label that is none of the classes; label K without ``unknown``.
        """
        for crop in crops:
            if not 0 <= crop.label < self.names:
                raise IndexError(f'label {crop.label}: the library holds the classes 0..{self.names - 1}')
            ring = self.labelled if crop.source == 'gt' else self.pseudo
            if crop.source != 'gt' or len(ring[crop.label]) < self.slots:
                ring[crop.label].append(crop)

    def observe(self, counts: np.ndarray, images: int) -> None:
        """Pseudo-labelled objects of one step, (K + 1,) or (K,), and of how many images, into the running means."""
        self.steps += 1
        rates, share = np.asarray(counts, np.float64)[: self.names] / images, max(self.momentum, 1 / self.steps)
        self.pseudo_rates[: len(rates)] += share * (rates - self.pseudo_rates[: len(rates)])

    def draw(self, number: int, generator: np.random.Generator) -> list[Crop]:
        """``number`` crops, rare classes more often; none where the library is empty.

        Of them a share of ``chimeras`` are chimeras of two classes, called "unknown", and as many blends of two objects
        of one class, where the library has what they are made of.
        """
        chances = draw_probabilities(self.counts, self.sizes() > 0, self.eta)
        if chances is None:
            return []
        crops = [self._any(k, generator) for k in generator.choice(len(chances), number, p=chances)]
        if not self.chimeras:
            return crops
        kinds = generator.random(number)
        return [self._made(crop, kind, chances, generator) for crop, kind in zip(crops, kinds, strict=True)]

    def _made(self, crop: Crop, kind: float, chances: np.ndarray, generator: np.random.Generator) -> Crop:
        """The crop, or what is made of it and another one of another class or of its own; never of an unknown one."""
        if kind >= 2 * self.chimeras or crop.label >= self.classes:
            return crop
        if kind >= self.chimeras:
            return chimera(crop, self._any(crop.label, generator), crop.label, generator)
        others = chances[: self.classes] * (np.arange(self.classes) != crop.label)
        if not others.any():
            return crop
        partner = self._any(int(generator.choice(self.classes, p=others / others.sum())), generator)
        return chimera(crop, partner, self.classes, generator)

    def sizes(self) -> np.ndarray:
        """(K,) or (K + 1,) crops of each class."""
        return np.array([len(a) + len(b) for a, b in zip(self.labelled, self.pseudo, strict=True)])

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
            for ring in (*self.labelled, *self.pseudo)
            for crop in ring
        ]
        counts = dict(labelled_counts=self.labelled_counts, pseudo_rates=self.pseudo_rates)
        state = {name: torch.from_numpy(value.copy()) for name, value in counts.items()}
        return dict(crops=rows, images=self.images, steps=self.steps, **state)

    def load_state_dict(self, state: dict) -> None:
        """What :meth:`state_dict` gave.

        Raises:
            ValueError: of a library of other classes, or of a version that counted otherwise.
        """
        wanted = (self.names,)
        shape = tuple(state['labelled_counts'].shape) if 'labelled_counts' in state else None
        if shape != wanted:
            raise ValueError(f'library of shape {shape}, wanted {wanted}')
        for ring in (*self.labelled, *self.pseudo):
            ring.clear()
        self.add(
            Crop(**{key: x.numpy() if isinstance(x, torch.Tensor) else x for key, x in row.items()})
            for row in state['crops']
        )
        self.labelled_counts, self.pseudo_rates = (state[x].numpy().copy() for x in ('labelled_counts', 'pseudo_rates'))
        self.images, self.steps = state['images'], state['steps']

    def _any(self, label: int, generator: np.random.Generator) -> Crop:
        crops = [*self.labelled[label], *self.pseudo[label]]
        return crops[generator.integers(len(crops))]
