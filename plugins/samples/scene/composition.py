"""A scene in px with its labels.

A scene is accepted when the verbs of every pair are exactly the planned ones, with limits made narrower and wider too
(so that nothing nearly holds), and when enough of everything is seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from plugins.samples.scene.acts import alone, compose
from plugins.samples.scene.gaze import aim
from plugins.samples.scene.layout import Figure, spread
from plugins.samples.scene.parts import OVERSAMPLING, Canvas, Part
from plugins.samples.scene.plan import ImagePlan
from plugins.samples.scene.verbs import Person, Thing, verbs_of

MIN_VISIBLE = 0.4  # share of every thing that is seen, at least
CLEAR = ((0.6, True), (0.0, False), (-0.25, False))  # slack and flat of all_verbs: the same labels with each
ROUNDS, ARRANGEMENTS = 120, 25  # people and things are drawn anew each round
SHRINK, SMALLEST = 0.985, 0.2  # room after each failure, at least


@dataclass(frozen=True)
class Scene:
    """Things of an image, from far to near.

    Attributes:
        size: of the image, px.
        things: T persons and objects.
        layers: (index of the thing, parts in px) in the order of painting.
        relations: (index of the person, index of the thing, verb), sorted.
        boxes: (T, 4) float64 xyxy px of what is seen of each thing.
        areas: (T,) float64 px^2 that are seen.
    """

    size: int
    things: list[Thing]
    layers: list[tuple[int, list[Part]]]
    relations: list[tuple[int, int, str]]
    boxes: np.ndarray
    areas: np.ndarray


def make_scene(plan: ImagePlan, size: int, rng: np.random.Generator) -> Scene:
    """Try arrangements, smaller from time to time, until one is clear.

    Raises:
        RuntimeError: there is none, as for a plan of a dozen persons.
    """
    room = 1.0
    for attempt in range(ROUNDS * ARRANGEMENTS):
        if attempt % ARRANGEMENTS == 0:
            units = [compose(act, rng) for act in plan.acts] + [alone(kind, rng) for kind in plan.unused]
        figures = spread(units, size, room, rng)
        aimed = aim(figures, rng) if figures else None
        scene = _scene(*aimed, size) if aimed else None
        if scene:
            return scene
        room = max(SHRINK * room, SMALLEST)
    raise RuntimeError(f'no clear scene of {plan}')


def all_verbs(things: list[Thing], slack: float = 0.0, flat: bool = False) -> list[tuple[int, int, str]]:
    """(person, thing, verb) of every ordered pair, sorted.

    Args:
        flat: as somebody sees them who does not notice depth: behind a hand is in the hand.
    """
    return sorted(
        (i, j, verb)
        for i, person in enumerate(things)
        if isinstance(person, Person)
        for j, thing in enumerate(things)
        if i != j
        for verb in verbs_of(person, replace(thing, ground=person.ground) if flat else thing, slack)
    )


def _scene(figures: list[Figure], seen: set, size: int) -> Scene | None:
    """The scene when it is clear, else None."""
    numbers = {}
    for i, figure in enumerate(figures):
        numbers |= {(i, name): len(numbers) + k for k, name in enumerate(figure.things)}
    things = [thing for figure in figures for thing in figure.things.values()]
    planned = {(numbers[i, 'person'], numbers[j, name], 'look at') for i, j, name in seen}
    planned |= {
        (numbers[i, 'person'], numbers[i, 'thing'], figure.unit.act.verb)
        for i, figure in enumerate(figures)
        if figure.unit.act.verb
    }
    whole = np.stack([thing.box for thing in things])
    if (whole < 1).any() or (whole > size - 1).any():  # somebody has turned round at the border
        return None
    if any(all_verbs(things, slack, flat) != sorted(planned) for slack, flat in CLEAR):
        return None
    layers = [(numbers[i, whose], parts) for i, figure in enumerate(figures) for whose, parts in figure.layers]
    owners = _painted(layers, (0, 0, size, size))
    if not _eyes_seen(things, owners):
        return None
    boxes, areas = _visible(owners, len(things))
    for i in np.flatnonzero(_meets_another(whole)):
        single = _painted([layer for layer in layers if layer[0] == i], whole[i])
        if areas[i] * OVERSAMPLING**2 < MIN_VISIBLE * np.count_nonzero(single >= 0):
            return None
    return Scene(size, things, layers, sorted(planned), boxes, areas)


def _painted(layers: list[tuple[int, list[Part]]], box: Sequence) -> np.ndarray:
    """(H, W) int16 thing that is seen in each pixel of a (4,) xyxy px box, oversampled; -1 for none."""
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    canvas = Canvas(None, ((bottom - top) * OVERSAMPLING, (right - left) * OVERSAMPLING), (left, top))
    for owner, parts in layers:
        canvas.paint(parts, owner)
    return canvas.numbers


def _meets_another(boxes: np.ndarray) -> np.ndarray:
    """(T,) bool: (T, 4) xyxy boxes that have a point in common with another one."""
    meets = (boxes[:, None, :2] <= boxes[:, 2:]).all(2) & (boxes[:, :2] <= boxes[:, None, 2:]).all(2)
    return meets.sum(1) > 1


def _visible(owners: np.ndarray, things: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, 4) boxes and (T,) areas in px of what is seen; zeros for a thing that is hidden."""
    boxes, areas = np.zeros((things, 4)), np.zeros(things)
    for i in range(things):
        mask = owners == i
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            boxes[i] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            areas[i] = np.count_nonzero(mask)
    return boxes / OVERSAMPLING, areas / OVERSAMPLING**2


def _eyes_seen(things: list[Thing], owners: np.ndarray) -> bool:
    """Whether no face is hidden by something else."""
    people = [(i, thing.eye) for i, thing in enumerate(things) if isinstance(thing, Person)]
    return all(owners[int(y * OVERSAMPLING), int(x * OVERSAMPLING)] == i for i, (x, y) in people)
