"""The metric ``RelationMetric``: relations by the protocol of a data set, every image counted once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from torch import Tensor

from detplug.errors import UserError
from detplug.evaluation.box_ap import gather_images

from ..relations import RelationImage, RelationNames, RelationResult
from .protocols import PROTOCOLS, check_options
from .vrd import best_triplets, keep_triplets

TRUTH, PREDICTION = 'relation_truth', 'pred_relations'
KINDS = {
    'boxes': np.float32,
    'labels': np.int64,
    'scores': np.float32,
    'triplets': np.int64,
    'triplet_scores': np.float32,
}
SHAPES = {'boxes': (-1, 4), 'triplets': (-1, 3)}


@dataclass
class EvaluatedImage:
    """Truth and prediction of one image; ``img_path`` is its file, or the name of the file in the truth.

    ``result`` holds the best triplets alone, as many as the truth has and at least one: what a picture shows. ``part``
    is what the figures need of all of them, None once they are made; ``problem`` why the result cannot be evaluated.
    """

    img_id: Any
    img_path: str
    truth: RelationImage
    result: RelationResult
    part: Any = None
    problem: str | None = None


@METRICS.register_module()
class RelationMetric(BaseMetric):
    """Figures of relations, flat and 0 .. 1.

    The data samples need the meta key ``relation_truth``, a :class:`RelationImage` (``PackDetInputs(meta_keys=(...,
    'relation_truth'))``), and from the model ``pred_relations``: an object or a mapping with the fields of
    :class:`RelationResult`, arrays or tensors. The data set's metainfo names ``classes`` and ``predicates``, and where
    they exist ``triplets`` and ``rare`` (see :class:`RelationNames`). After an evaluation every process holds
    ``images``: one :class:`EvaluatedImage` an image, ordered by image id, with the triplets that a picture shows.

    The triplets of an image are matched and forgotten as they come: of 1,000 images with 32 boxes 2 GB in VRD.

    Args:
        protocol: hico, vcoco, vrd, vrd_predicate (boxes of the truth given), vg and psg (scene graphs), openimages, or
            map (own data).
        options: of the protocol, such as ``dict(known_labels='anno.mat')``; see :mod:`.protocols`.

    Raises:
        UserError: a protocol, an option or a file of an option that does not exist.
    """

    default_prefix = ''  # names as they are

    def __init__(self, protocol: str = 'map', options: Mapping | None = None, prefix: str | None = None) -> None:
        super().__init__(collect_device='cpu', prefix=prefix)
        self.protocol, self.options = protocol, check_options(protocol, options)
        self.images: list[EvaluatedImage] = []

    def process(self, data_batch, data_samples: Sequence[Mapping]) -> None:
        """Match the predictions of a batch with its truth, and keep what the figures need.

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
            self.results.append(self._matched(sample, as_result(sample[PREDICTION])))

    def _matched(self, sample: Mapping, result: RelationResult) -> EvaluatedImage:
        """The image without the triplets, of which there may be 70,000."""
        truth = sample[TRUTH]
        image = EvaluatedImage(truth.img_id, str(sample.get('img_path', truth.file_name)), truth, result)
        try:
            names = relation_names(self.dataset_meta or {})
            image.part = PROTOCOLS[self.protocol].part([truth], [result], names, self.options)
        except (
            UserError
        ) as error:  # raised by evaluate, on all processes: one that ends alone leaves the others waiting
            return replace(image, problem=str(error), result=keep_triplets(result, np.zeros(0, np.int64)))
        shown = best_triplets(result, len(result.triplets), max(len(truth.relations), 1))
        return replace(image, result=keep_triplets(result, shown))

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
        for image in self.images:
            image.part = None
        broadcast_object_list(outcome)
        if isinstance(outcome[0], UserError):
            raise outcome[0]
        return outcome[0]

    def report_pictures(self, images: Sequence[EvaluatedImage]) -> dict[str, tuple[str, np.ndarray]]:
        """Heading -> (explanation, picture) of images evenly spaced over those that have a picture; else empty."""
        from .pictures import truth_and_predictions  # drawing libraries take a second to load

        return truth_and_predictions(images, relation_names(self.dataset_meta))

    def compute_metrics(self, results: list[EvaluatedImage]) -> dict[str, float]:
        """Flat figures of ``results``; see :data:`.protocols.PROTOCOLS`."""
        problem = next((image.problem for image in results if image.problem is not None), None)
        if problem is not None:
            raise UserError(problem)
        parts = [image.part for image in results]
        for image in results:
            image.part = None  # so that blocks of parts can be joined without holding both
        truth = [image.truth for image in results]
        metrics = PROTOCOLS[self.protocol].of_parts(parts, truth, relation_names(self.dataset_meta), self.options)
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
