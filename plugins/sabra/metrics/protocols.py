"""The protocols by name: what is compared within an image, and the figures over all of them.

A protocol is two functions, so that the triplets of an image can be forgotten once they are matched. To add one, write
both and a line in :data:`PROTOCOLS`; docs/relation_evaluator.md says what the figures are.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from detplug.errors import UserError

from ..data.hico_zero_shot import unseen_classes
from ..data.vcoco_names import seen_pairs
from ..relations import RelationImage, RelationNames, RelationResult
from .columns import blocks
from .hico import hico_figures, match_hico
from .known_objects import labels_of
from .matched import Matched, blocks_of
from .openimages import match_openimages, openimages_figures
from .relation_map import map_figures, match_relations
from .scene_graph import TOPS as GRAPH_TOPS
from .scene_graph import RelationRanks, graph_figures, match_graphs
from .vcoco import VcocoDetections, match_vcoco, vcoco_figures
from .vrd import match_predicates, match_vrd, recall_figures

BLOCK = 64  # images that are matched at once: bounds the memory
FILES = {  # options that are paths: what lies there
    'known_labels': "HICO's anno.mat for the known-object setting",
    'pairs_of': 'annotations of the training',
}
MATCH, FIGURES = 3, 3  # leading arguments of the two functions that are no options


@dataclass(frozen=True)
class Protocol:
    """Two functions.

    Args:
        match: (images, results, names, **options) -> a part: what the figures need of these images.
        figures: (parts, images, names, **options) -> flat figures, 0 .. 1; the parts in the order of the images.
    """

    match: Callable[..., Any]
    figures: Callable[..., dict[str, float]]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options of either function."""
        return tuple(dict.fromkeys([*_options(self.match, MATCH), *_options(self.figures, FIGURES)]))

    def part(self, images: Sequence[RelationImage], results, names: RelationNames, options: Mapping) -> Any:
        """The part of a block of images."""
        return self.match(images, results, names, **_chosen(options, self.match, MATCH))

    def of_parts(self, parts: list, images: Sequence[RelationImage], names: RelationNames, options: Mapping) -> dict:
        """The figures; ``parts`` may be emptied."""
        return self.figures(parts, images, names, **_chosen(options, self.figures, FIGURES))


def evaluate(
    protocol: str,
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    options: Mapping | None = None,
) -> dict[str, float]:
    """Flat figures, 0 .. 1, of predictions.

    Args:
        protocol: of :data:`PROTOCOLS`.
        results: of ``images``, in their order.
        options: see :attr:`Protocol.options`.

    Raises:
        UserError: a protocol, an option or a file of an option that does not exist, bad indices.
    """
    options = check_options(protocol, options)
    chosen = PROTOCOLS[protocol]
    parts = [chosen.part(*block, names, options) for block in blocks(images, results, BLOCK)]
    return chosen.of_parts(parts, images, names, options)


def check_options(protocol: str, options: Mapping | None) -> dict:
    """The options as a dict.

    Raises:
        UserError: a protocol, an option or a file of an option that does not exist.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f'config: RelationMetric: protocol is {protocol!r}; choose from {", ".join(PROTOCOLS)}')
    known = PROTOCOLS[protocol].options
    unknown = sorted(set(options or {}) - set(known))
    if unknown:
        raise UserError(
            f'config: RelationMetric: the protocol {protocol} has no option {unknown[0]!r}; it has '
            f'{", ".join(known) or "none"}'
        )
    for name, what in FILES.items():
        path = (options or {}).get(name)
        if path is not None and not Path(path).is_file():
            raise UserError(f'{path}: not found; {name} names {what}: put it there, or set {name}=None')
    return dict(options or {})


def _hico(
    parts: list[Matched],
    images: Sequence[RelationImage],
    names: RelationNames,
    known_labels: str | Path | None = None,
    zero_shot: str | None = None,
    by_class: bool = False,
) -> dict[str, float]:
    """Options: path of HICO's anno.mat for the known-object setting; a zero-shot split; AP of each class."""
    labels = None if known_labels is None else labels_of(images, known_labels)
    unseen = None if zero_shot is None else unseen_classes(names, zero_shot)
    return hico_figures(blocks_of(parts), names, labels, unseen, by_class)


@lru_cache(maxsize=1)
def _training(path: str) -> tuple[RelationNames, np.ndarray]:
    from ..data.relation_file import read_relations  # late: reads COCO json with msgspec

    data = read_relations(path)
    return data.names, seen_pairs(data)


def _match_vcoco(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    pairs_of: str | Path | None = None,
) -> VcocoDetections:
    """Option: a file of training annotations; predictions of an object class and predicate it lacks are left out."""
    if pairs_of is None:
        return match_vcoco(images, results, names)
    known, allowed = _training(str(pairs_of))
    if (known.objects, known.predicates) != (names.objects, names.predicates):
        raise UserError(f'{pairs_of}: categories, predicates: not those of the evaluated set in their order')
    return match_vcoco(images, results, names, allowed)


def _vcoco(parts: list, images: Sequence[RelationImage], names: RelationNames) -> dict[str, float]:
    return vcoco_figures([part.agents for part in parts], [part.roles for part in parts])


def _recalls(parts: list, images: Sequence[RelationImage], names: RelationNames) -> dict[str, float]:
    return recall_figures(parts)


def _map(parts: list[Matched], images: Sequence[RelationImage], names: RelationNames) -> dict[str, float]:
    return map_figures(parts, names)


def _graphs(
    parts: list,
    images: Sequence[RelationImage],
    names: RelationNames,
    tops: Sequence[int] = GRAPH_TOPS,
    by_class: bool = False,
) -> dict[str, float]:
    return graph_figures(parts, names, tops, by_class)


def _openimages(
    parts: list, images: Sequence[RelationImage], names: RelationNames, by_class: bool = False
) -> dict[str, float]:
    return openimages_figures(parts, names, by_class)


def _vg(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    tops: Sequence[int] = GRAPH_TOPS,
    train_triplets: np.ndarray | None = None,
) -> RelationRanks:
    return match_graphs(images, results, names, tops, train_triplets)


def _psg(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    tops: Sequence[int] = GRAPH_TOPS,
    train_triplets: np.ndarray | None = None,
) -> RelationRanks:
    return match_graphs(images, results, names, tops, train_triplets, pixel=0)


PROTOCOLS: dict[str, Protocol] = {
    'hico': Protocol(match_hico, _hico),
    'vcoco': Protocol(_match_vcoco, _vcoco),
    'vrd': Protocol(match_vrd, _recalls),
    'vrd_predicate': Protocol(match_predicates, _recalls),
    'vg': Protocol(_vg, _graphs),
    'psg': Protocol(_psg, _graphs),
    'openimages': Protocol(match_openimages, _openimages),
    'map': Protocol(match_relations, _map),
}


def _options(function: Callable, leading: int) -> list[str]:
    return list(inspect.signature(function).parameters)[leading:]


def _chosen(options: Mapping, function: Callable, leading: int) -> dict:
    return {name: options[name] for name in _options(function, leading) if name in options}
