"""Who does what in which image: exact counts of predicates and classes by construction.

Training is imbalanced, verbs 5:1 and classes 4:1, val and test are balanced. Every image has 2 to 4 persons and 2 to 6
objects (more persons or objects where a handful of images must show everything).
"""

from dataclasses import dataclass, field

import numpy as np

from plugins.samples.scene.acts import KINDS, OTHER, OWN, Act

DEFAULT_COUNTS = {'train': 180, 'val': 60, 'test': 60}  # images
MIN_PERSONS, MAX_PERSONS = 2, 4
MIN_OBJECTS, MAX_OBJECTS = 2, 6
LARGE = ('bicycle', 'horse')
MAX_LARGE = 2  # an image


@dataclass(frozen=True)
class Shares:
    """Counts of a split of default size.

    Attributes:
        acts: (verb, kind of its object, number).
        own, other: persons who look at the thing in their hand, at something else.
        kinds: objects a class, used and unused ones.
    """

    acts: tuple
    own: int
    other: int
    kinds: dict


TRAIN = Shares(
    acts=(
        ('ride', 'bicycle', 42),
        ('ride', 'horse', 28),
        ('hold', 'ball', 64),
        ('hold', 'book', 40),
        ('hold', 'box', 16),
        ('carry', 'box', 22),
        ('carry', 'ball', 18),
        ('sit on', 'box', 28),
        ('sit on', 'chair', 32),
    ),
    own=56,
    other=144,
    kinds={'bicycle': 64, 'horse': 40, 'chair': 48, 'box': 120, 'ball': 160, 'book': 110},
)
BALANCED = Shares(
    acts=(
        ('ride', 'bicycle', 16),
        ('ride', 'horse', 16),
        ('hold', 'ball', 12),
        ('hold', 'book', 13),
        ('hold', 'box', 7),
        ('carry', 'box', 17),
        ('carry', 'ball', 15),
        ('sit on', 'box', 13),
        ('sit on', 'chair', 19),
    ),
    own=8,
    other=24,
    kinds={'bicycle': 32, 'horse': 32, 'chair': 36, 'box': 45, 'ball': 40, 'book': 36},
)


@dataclass
class ImagePlan:
    """Persons by their acts, and the kinds of things that nobody uses."""

    acts: list[Act] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def objects(self) -> list[str]:
        """Kinds of all objects."""
        return [act.kind for act in self.acts if act.kind] + self.unused


def plan(split: str, images: int, rng: np.random.Generator) -> list[ImagePlan]:
    """What each image of a split shows; counts scale with ``images`` and are exact."""
    shares, scale = TRAIN if split == 'train' else BALANCED, images / DEFAULT_COUNTS[split]
    plans, fullness = [ImagePlan() for _ in range(images)], rng.uniform(0.2, 1.0, images)
    acts = [Act(verb, kind) for verb, kind, number in _scaled(shares.acts, scale) for _ in range(number)]
    for i in rng.permutation(len(acts)):
        plans[_choose(plans, acts[i].kind, fullness, rng)].acts.append(acts[i])
    used = [act.kind for act in acts]
    kinds = [kind for kind in KINDS for _ in range(max(1, round(shares.kinds[kind] * scale)) - used.count(kind))]
    for i in rng.permutation(len(kinds)):
        plans[_choose(plans, kinds[i], fullness, rng, MIN_OBJECTS)].unused.append(kinds[i])
    for image in plans:
        persons = int(rng.choice([2, 3, 4], p=[0.5, 0.35, 0.15]))
        image.acts += [Act() for _ in range(persons - len(image.acts))]
    _let_look(plans, OWN, max(1, round(shares.own * scale)), rng)
    _let_look(plans, OTHER, max(1, round(shares.other * scale)), rng)
    return plans


def _choose(plans: list[ImagePlan], kind: str, fullness: np.ndarray, rng: np.random.Generator, least: int = 0) -> int:
    """An image that has room for a thing of this kind: one with fewer than ``least`` objects, or any, by fullness."""
    objects = np.array([len(p.objects) for p in plans])
    large = np.array([sum(k in LARGE for k in p.objects) for p in plans])
    room = (objects < MAX_OBJECTS) & ((large < MAX_LARGE) | (kind not in LARGE))
    if not least:
        room &= np.array([len(p.acts) for p in plans]) < MAX_PERSONS
    liked = [room & (objects < least), room, objects == objects.min()]
    weight = fullness * next(some for some in liked if some.any())
    return int(rng.choice(len(plans), p=weight / weight.sum()))


def _scaled(acts: tuple, scale: float) -> list[tuple[str, str, int]]:
    """Acts with their numbers, at least one of each verb."""
    scaled = [(verb, kind, round(number * scale)) for verb, kind, number in acts]
    present = {verb for verb, _, number in scaled if number}
    first = {verb: kind for verb, kind, _ in reversed(acts)}
    return [(v, k, 1 if v not in present and first[v] == k else number) for v, k, number in scaled]


def _let_look(plans: list[ImagePlan], where: str, number: int, rng: np.random.Generator) -> None:
    """Let a number of persons look: OWN at what they hold, OTHER at something that is not theirs.

    Those who look elsewhere are spread over the images, so that lines of sight stay clear.
    """
    able = [(image, i) for image in plans for i in range(len(image.acts)) if _may_look(image, i, where)]
    found = 0
    for most in range(1, MAX_PERSONS + 1):  # an image
        for n in rng.permutation(len(able)):
            image, i = able[n]
            act, looking = image.acts[i], sum(act.looks == where for act in image.acts)
            if found < number and act.looks is None and looking < most:
                image.acts[i] = act._replace(looks=where)
                found += 1


def _may_look(image: ImagePlan, i: int, where: str) -> bool:
    """Whether person i can look there: not while carrying, and not where only pairs are to be seen.

    Somebody who looks at a horse may be said to look at its rider, at a book at its reader.
    """
    others = image.acts[:i] + image.acts[i + 1 :]
    if where == OWN:
        return image.acts[i].verb == 'hold'
    return image.acts[i].verb != 'carry' and bool(image.unused or any(act.verb is None for act in others))
