"""From a detector to an ONNX graph, through torch's exporter (torch.export, onnxscript).

The host knows no detector: the head offers ``dense_predictions(feats) -> boxes (N, A, 4) xyxy input pixels, scores
(N, A, K)`` and, for graphs without decoding, ``raw_predictions(feats) -> tuple of (N, C, H, W)`` with
``decode_rule() -> dict`` that names a rule of :mod:`detplug.export.decode` and its constants.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from detplug.errors import UserError
from detplug.export.decode import DECODERS
from detplug.export.nms_op import OPSET, TRANSLATIONS, select_detections

INPUT = 'images'
DETECTIONS = ('count', 'boxes', 'scores', 'labels')


@dataclass(frozen=True)
class Selection:
    """How detections are selected from dense predictions.

    ``nms_pre`` of mmdet is absent: it limits the work of the torch path, and the graph needs no such limit.
    """

    score_thr: float
    iou_threshold: float
    max_per_img: int
    multi_label: bool

    @classmethod
    def of(cls, model: nn.Module) -> 'Selection':
        """The selection of a detector's ``test_cfg``.

        Raises:
            UserError: another kind of NMS than class-wise ``nms``.
        """
        cfg = model.bbox_head.test_cfg
        nms = dict(cfg['nms'])
        if nms.pop('type', 'nms') != 'nms' or nms.keys() - {'iou_threshold', 'split_thr'}:
            raise UserError(
                f'test_cfg: nms: {dict(cfg["nms"])} has no ONNX form here; '
                "use dict(type='nms', iou_threshold=...) or export with --raw"
            )
        return cls(
            float(cfg.get('score_thr', 0.0)),
            float(nms['iou_threshold']),
            int(cfg['max_per_img']),
            bool(cfg.get('multi_label', True)),
        )


class DetectionGraph(nn.Module):
    """Images (N, 3, S, S) -> count (N,), boxes (N, D, 4); scores, labels and extra outputs (N, D) each.

    A model with ``extra_outputs`` (names) has ``describe_places(feats, places (N, D)) -> tuple of (N, D)`` and may have
    ``prepare_export()``, which is called before the trace.
    """

    def __init__(self, model: nn.Module, selection: Selection):
        super().__init__()
        self.model, self.selection = model, selection
        self.describes = bool(extra_outputs(model))
        if hasattr(model, 'prepare_export'):
            model.prepare_export()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        feats = self.model.extract_feat(images)
        boxes, scores = self.model.bbox_head.dense_predictions(feats)
        if not self.selection.multi_label:
            scores = scores * (scores == scores.amax(dim=-1, keepdim=True))
        chosen = self.selection
        *found, places = select_detections(boxes, scores, chosen.score_thr, chosen.iou_threshold, chosen.max_per_img)
        return (*found, *self.model.describe_places(feats, places)) if self.describes else tuple(found)


def extra_outputs(model: nn.Module) -> tuple[str, ...]:
    """What the model says of each detection beside box, score and label: names of (N, D) outputs."""
    return tuple(getattr(model, 'extra_outputs', ()))


class RawGraph(nn.Module):
    """Images (N, 3, S, S) -> the head's feature maps, one (N, C, H, W) a level."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.bbox_head.raw_predictions(self.model.extract_feat(images)))


def check_exportable(model: nn.Module, raw: bool) -> None:
    """Refuse detectors whose head does not offer what the graph is made of.

    Raises:
        UserError: a two-stage detector, or a head without the method that is needed.
    """
    head = getattr(model, 'bbox_head', None)
    for method in ('raw_predictions', 'decode_rule') if raw else ('dense_predictions',):
        if not hasattr(head, method):
            name = type(model).__name__ if head is None else type(head).__name__
            cure = 'leave --raw out' if raw else 'export a one-stage detector such as YOLOv5'
            raise UserError(f'model: {name} has no {method}, so it has no ONNX form here; {cure}')
    if raw and head.decode_rule()['type'] not in DECODERS:
        raise UserError(
            f'model: decode rule {head.decode_rule()["type"]!r} is unknown to the runtime; '
            f'it has {", ".join(DECODERS)}; export without --raw'
        )


def write_graph(model: nn.Module, path: Path, side: int, raw: bool = False, dynamic_batch: bool = False) -> list[str]:
    """Write the ONNX graph of ``model`` for square inputs of ``side`` pixels; returns the names of its outputs."""
    images = torch.zeros(2 if dynamic_batch else 1, 3, side, side)
    graph = RawGraph(model) if raw else DetectionGraph(model, Selection.of(model))
    names = [f'level{i}' for i in range(_levels(graph, images))] if raw else [*DETECTIONS, *extra_outputs(model)]
    shapes = {'images': {0: torch.export.Dim('batch')}} if dynamic_batch else None
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            (images,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=names,
            dynamic_shapes=shapes,
            custom_translation_table=TRANSLATIONS,
            verbose=False,
        )
    program.save(path, external_data=False)
    return names


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without what torch's exporter says about itself: deprecated calls, axes it renames, torchvision's absence."""
    logger = logging.getLogger('torch.onnx._internal.exporter._registration')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', category=FutureWarning)
            warnings.filterwarnings('ignore', message='# The axis name')
            yield
    finally:
        logger.setLevel(level)


def _levels(graph: RawGraph, images: Tensor) -> int:
    with torch.no_grad():
        return len(graph(images[:1]))
