"""The metric ``RelationMetric``: relations by the protocol of a data set, every image counted once."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from torch import Tensor

from detplug.errors import UserError
from detplug.evaluation.box_ap import gather_images

from ..relations import RelationImage, RelationNames, RelationResult
from .hico import hico_map
from .known_objects import labels_of
from .relation_map import relation_map
from .vcoco import vcoco_ap
from .vrd import predicate_recall, vrd_recall

TRUTH, PREDICTION = 'relation_truth', 'pred_relations'
KINDS = {
    'boxes': np.float32,
    'labels': np.int64,
    'scores': np.float32,
    'triplets': np.int64,
    'triplet_scores': np.float32,
}
SHAPES = {'boxes': (-1, 4), 'triplets': (-1, 3)}


def hico(
    images: Sequence[RelationImage],
    results: Sequence[RelationResult],
    names: RelationNames,
    known_labels: str | Path | None = None,
) -> dict[str, float]:
    """:func:`.hico.hico_map`; ``known_labels``: path of HICO's anno.mat, for the known-object setting."""
    return hico_map(images, results, names, known_labels and labels_of(images, known_labels))


PROTOCOLS: dict[str, Callable[..., dict[str, float]]] = {
    'hico': hico,
    'vcoco': vcoco_ap,
    'vrd': vrd_recall,
    'vrd_predicate': predicate_recall,
    'map': relation_map,
}


@dataclass
class EvaluatedImage:
    """Truth and prediction of one image; ``img_path`` is its file, or the name of the file in the truth."""

    img_id: Any
    img_path: str
    truth: RelationImage
    result: RelationResult


@METRICS.register_module()
class RelationMetric(BaseMetric):
    """Figures of relations, flat and 0 .. 1.

    The data samples need the meta key ``relation_truth``, a :class:`RelationImage` (``PackDetInputs(meta_keys=(...,
    'relation_truth'))``), and from the model ``pred_relations``: an object or a mapping with the fields of
    :class:`RelationResult`, arrays or tensors. The data set's metainfo names ``classes`` and ``predicates``, and where
    they exist ``triplets`` and ``rare`` (see :class:`RelationNames`). After an evaluation every process holds
    ``images``: one :class:`EvaluatedImage` an image, ordered by image id.

    Args:
        protocol: hico, vcoco, vrd, vrd_predicate (boxes of the truth given), or map (own data).
        options: arguments of the protocol's function in :data:`PROTOCOLS`, such as ``dict(known_labels='anno.mat')``.

    Raises:
        UserError: a protocol or an option that does not exist.
    """

    default_prefix = ''  # names as they are

    def __init__(self, protocol: str = 'map', options: Mapping | None = None, prefix: str | None = None) -> None:
        super().__init__(collect_device='cpu', prefix=prefix)
        if protocol not in PROTOCOLS:
            raise UserError(f'config: RelationMetric: protocol is {protocol!r}; choose from {", ".join(PROTOCOLS)}')
        known = list(inspect.signature(PROTOCOLS[protocol]).parameters)[3:]
        unknown = sorted(set(options or {}) - set(known))
        if unknown:
            raise UserError(
                f'config: RelationMetric: the protocol {protocol} has no option {unknown[0]!r}; it has '
                f'{", ".join(known) or "none"}'
            )
        self.protocol, self.options = protocol, dict(options or {})
        self.images: list[EvaluatedImage] = []

    def process(self, data_batch, data_samples: Sequence[Mapping]) -> None:
        """Keep truth and prediction of a batch.

        Raises:
            UserError: a data sample lacks one of the two.
        """
        for sample in data_samples:
            if TRUTH not in sample:
                raise UserError(
                    f'test pipeline: PackDetInputs: no {TRUTH!r} in the data sample; add it to its meta_keys'
                )
            if PREDICTION not in sample:
                raise UserError(f'config: model: it gives no {PREDICTION!r}; use a relation detector')
            truth = sample[TRUTH]
            path = str(sample.get('img_path', truth.file_name))
            self.results.append(EvaluatedImage(truth.img_id, path, truth, as_result(sample[PREDICTION])))

    def evaluate(self, size: int) -> dict[str, float]:
        """Figures over the ``size`` images of the data set; the same on every process.

        Images are matched by id: copies that pad the last batch are dropped.

        Raises:
            UserError: an image is missing, two images share an id, an index or a label is out of range.
        """
        self.images = gather_images(self.results, size)
        self.results.clear()
        outcome: list[dict | UserError | None] = [None]
        if is_main_process():
            try:
                outcome = [self.compute_metrics(self.images)]
            except UserError as error:
                outcome = [error]  # the other processes must hear of it, or they wait forever
        broadcast_object_list(outcome)
        if isinstance(outcome[0], UserError):
            raise outcome[0]
        return outcome[0]

    def report_pictures(self, images: Sequence[EvaluatedImage]) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, picture) of images evenly spaced over those that have a picture; else empty."""
        from .pictures import truth_and_found  # drawing libraries take a second to load

        return truth_and_found(images, relation_names(self.dataset_meta))

    def compute_metrics(self, results: list[EvaluatedImage]) -> dict[str, float]:
        """Flat figures of ``results``; see the functions of :data:`PROTOCOLS`."""
        metrics = PROTOCOLS[self.protocol](
            [image.truth for image in results],
            [image.result for image in results],
            relation_names(self.dataset_meta),
            **self.options,
        )
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics


def relation_names(meta: Mapping) -> RelationNames:
    """The names in the metainfo of a data set: classes, predicates, and where they exist triplets and rare.

    Raises:
        UserError: no classes or no predicates.
    """
    for key in ('classes', 'predicates'):
        if not meta.get(key):
            raise UserError(f'data set: metainfo: no {key!r}; use a data set of relations')
    triplets, rare = meta.get('triplets'), meta.get('rare')
    return RelationNames(
        tuple(meta['classes']),
        tuple(meta['predicates']),
        None if triplets is None else np.asarray(triplets, np.int64).reshape(-1, 2),
        None if rare is None else np.asarray(rare, bool),
    )


def as_result(prediction: Any) -> RelationResult:
    """A :class:`RelationResult` of arrays, from an object or a mapping with its fields.

    Raises:
        UserError: a field is missing or has another shape.
    """
    values = {}
    for name in (field.name for field in fields(RelationResult)):
        value = prediction.get(name) if isinstance(prediction, Mapping) else getattr(prediction, name, None)
        if value is None:
            raise UserError(f'model: {PREDICTION}: no field {name!r}; use a relation detector')
        value = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        try:
            values[name] = value.astype(KINDS[name]).reshape(SHAPES.get(name, (-1,)))
        except ValueError as error:
            raise UserError(f'model: {PREDICTION}: {name} has shape {value.shape}; check the model') from error
    return RelationResult(**values)
