"""V-COCO (Gupta and Malik, arXiv 1505.04474): 26 actions in the official order, their roles, and our 29 predicates.

A predicate is an action with one role. The first 26 follow the actions; hit, eat and cut have two roles, of which the
first of the official file stands there (hit instr, eat obj, cut instr), and the second ones follow as 27 to 29.
"""

import numpy as np

from ..relations import RelationNames, RelationSet
from .coco_names import NAMES

# action -> roles, in the order of the official files; the agent, which every action has, left out
ACTIONS: dict[str, tuple[str, ...]] = {
    'hold': ('obj',),
    'stand': (),
    'sit': ('instr',),
    'ride': ('instr',),
    'walk': (),
    'look': ('obj',),
    'hit': ('instr', 'obj'),
    'eat': ('obj', 'instr'),
    'jump': ('instr',),
    'lay': ('instr',),
    'talk_on_phone': ('instr',),
    'carry': ('obj',),
    'throw': ('obj',),
    'catch': ('obj',),
    'cut': ('instr', 'obj'),
    'run': (),
    'work_on_computer': ('instr',),
    'ski': ('instr',),
    'surf': ('instr',),
    'skateboard': ('instr',),
    'smile': (),
    'drink': ('instr',),
    'kick': ('obj',),
    'point': ('instr',),
    'read': ('obj',),
    'snowboard': ('instr',),
}
PREDICATES = tuple(' '.join((action, *roles[:1])) for action, roles in ACTIONS.items()) + tuple(
    f'{action} {roles[1]}' for action, roles in ACTIONS.items() if len(roles) > 1
)
VCOCO = RelationNames(NAMES, PREDICATES)
PERSON = 0  # label


def seen_pairs(train: RelationSet) -> np.ndarray:
    """(O + 1, 29) bool: the training annotations have the predicate with an object of the class; last row: no object.

    HICO-DET names the pairs of object and verb that exist, V-COCO does not; public code (UPT, PViC) scores those pairs
    alone that the annotations have. Of 2,000 pairs of class and role the training split has 198, and .7 % of the roles
    of the validation split are not among them. A predicate without object is always allowed.
    """
    seen = np.zeros((len(train.names.objects) + 1, len(train.names.predicates)), bool)
    seen[-1] = True
    for image in train.images:
        _, thing, predicate = image.relations[image.relations[:, 1] >= 0].T
        seen[image.labels[thing], predicate] = True
    return seen


def annotated_objects(labels: list[int], annotated: set[int]) -> np.ndarray:
    """(N,) bool: False for the persons that are not in ``annotated``, a set of indices."""
    return np.array([label != PERSON or i in annotated for i, label in enumerate(labels)], bool)
