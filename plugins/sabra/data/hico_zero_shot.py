"""HICO-DET's zero-shot splits: classes that a training must not have, with the figures seen and unseen beside full.

Four splits, those that papers since 2022 share (GEN-VLKT, Liao et al., CVPR 2022; EoID, HOICLIP, ADA-CM):

- rf-uc, nf-uc: 120 unseen combinations, rare first and non-rare first (VCL, Hou et al., ECCV 2020). All 120 of rf-uc
  have fewer than 10 training pairs, those of nf-uc 226 and more; every object and every verb of them is seen elsewhere.
- uo: the 100 classes of 12 unseen objects (ATL, Hou et al., CVPR 2021).
- uv: the 84 classes of 20 unseen verbs (GEN-VLKT).

Older papers drew others, and random ones: figures of different splits cannot be compared.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detplug.errors import UserError, one_line

from ..relations import RelationImage, RelationNames, RelationSet

# crc32 of "VERB OBJECT" lines of the 600 classes in the official order, in which the numbers below count from 0
OFFICIAL = 2266330263
COMBINATIONS = {
    'rf-uc': """
        8 22 27 44 50 55 62 66 70 76 77 80 83 84 90 99 100 104 107 127 135 136 149 158 168 179 181 184 188 189 192 195
        198 205 206 216 222 229 238 239 254 255 257 260 261 262 274 279 280 281 286 289 292 303 311 315 317 325 333 334
        345 350 351 354 358 364 379 381 389 390 391 395 397 398 399 401 402 403 405 407 410 416 418 427 429 436 439 440
        449 463 469 474 482 485 498 499 504 509 517 520 522 526 531 535 539 546 547 548 552 555 556 560 581 586 592 593
        595 596 597 599""",
    'nf-uc': """
        6 7 9 11 18 19 20 23 25 29 38 41 42 45 48 53 54 56 60 61 64 67 73 75 89 91 93 94 106 110 115 131 139 140 141 146
        152 153 154 155 159 162 163 169 173 176 185 190 191 193 197 208 212 215 218 223 226 228 230 240 245 246 248 249
        250 266 284 294 297 304 308 312 320 323 329 337 338 340 346 370 371 374 377 383 385 387 417 446 455 456 457 459
        461 470 471 472 478 479 480 481 483 493 506 508 515 516 518 529 534 544 559 566 572 575 576 577 582 583 589
        594""",
}
OBJECTS = (
    'baseball bat', 'clock', 'dog', 'elephant', 'frisbee', 'pizza', 'refrigerator', 'skateboard', 'skis',
    'tennis racket', 'toothbrush', 'zebra',
)  # fmt: skip
VERBS = (
    'block', 'dribble', 'feed', 'herd', 'hose', 'inspect', 'install', 'move', 'park', 'ride', 'sail', 'scratch', 'sign',
    'squeeze', 'stab', 'stop at', 'swing', 'tag', 'toast', 'wear',
)  # fmt: skip
SPLITS = (*COMBINATIONS, 'uo', 'uv')


def unseen_classes(names: RelationNames, split: str) -> np.ndarray:
    """(600,) bool, the classes that a training of ``split`` does not have.

    Raises:
        UserError: another split, or classes other than HICO-DET's in the official order.
    """
    if split not in SPLITS:
        raise UserError(f'zero-shot split: {one_line(split)}: not known; one of {", ".join(SPLITS)}')
    rows = [] if names.triplets is None else names.triplets.tolist()
    classes = [
        (names.predicates[verb].replace('_', ' '), names.objects[thing].replace('_', ' ')) for thing, verb in rows
    ]
    if zlib.crc32('\n'.join(map(' '.join, classes)).encode()) != OFFICIAL:
        raise UserError(
            f"zero-shot split {split}: triplets: {len(classes)} classes, not HICO-DET's 600 in the official order; use "
            'the annotations of HICO-DET'
        )
    if split == 'uo':
        return np.array([thing in OBJECTS for _, thing in classes])
    if split == 'uv':
        return np.array([verb in VERBS for verb, _ in classes])
    return np.isin(np.arange(len(classes)), [int(number) for number in COMBINATIONS[split].split()])


def refuse_leakage(images: Sequence[RelationImage], names: RelationNames, unseen: np.ndarray, source: str) -> None:
    """Raise UserError where training ``images`` hold a relation of an unseen class; ``source`` names their file."""
    counts = np.zeros(len(unseen), np.int64)
    for image in images:
        kind = _classes(image, names)
        np.add.at(counts, kind[kind >= 0], 1)
    leaked = np.flatnonzero(unseen & (counts > 0))
    if len(leaked):
        thing, verb = names.triplets[leaked[0]]
        raise UserError(
            f'{source}: relations: {counts[leaked].sum()} of {len(leaked)} unseen classes, first '
            f'{names.predicates[verb]} {names.objects[thing]}; train on the images without them (seen_only), or take '
            'the split that was trained'
        )


def seen_only(data: RelationSet, unseen: np.ndarray) -> RelationSet:
    """The training set without the relations of unseen classes.

    As in GEN-VLKT, a pair of boxes that has an unseen class loses its other relations too. Images stay, also those
    without relations then.
    """
    images = []
    for image in data.images:
        kind = _classes(image, data.names)
        hidden = (kind >= 0) & unseen[kind]
        pairs = image.relations[:, :2]
        dropped = (pairs[:, None] == pairs[hidden][None]).all(axis=2).any(axis=1)
        images.append(replace(image, relations=image.relations[~dropped]))
    return RelationSet(data.names, images, list(data.anomalies))


def _classes(image: RelationImage, names: RelationNames) -> np.ndarray:
    """(R,) int64 the class of each relation, -1 for none."""
    table = np.full((len(names.objects) + 1, len(names.predicates)), -1)  # last row: without object
    table[tuple(names.triplets.T)] = np.arange(len(names.triplets))
    _, thing, verb = image.relations.T
    return table[np.where(thing < 0, -1, image.labels[thing]), verb]
