"""Export format ``onnx-boxes``: the graph of a head that is given boxes; ``predict BUNDLE --boxes FILE`` runs it.

N boxes of one image, K that the head gets, C predicates.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detplug import __version__
from detplug.errors import UserError
from detplug.export.bundle import write_manifest
from detplug.export.compare import Agreement, require
from detplug.export.formats import ExportRequest, register_format
from detplug.export.graph import GraphDetections, quiet_exporter
from detplug.export.manifest import PACKAGES
from detplug.export.nms_op import OPSET
from detplug.export.pipeline import pipeline_of
from detplug.runtime.bundle import MODEL, sha256
from detplug.runtime.detections import Detections
from detplug.runtime.result_field import fields_of_sample

from .boxes_engine import INPUTS, KIND, BoxesRelations
from .detections import ImageDetections
from .given_boxes import given_options

COMPARED, SIZE = 32, (640, 480)  # generated images, width and height px


class BoxesGraph(nn.Module):
    """Boxes (1, N, 4) xyxy px, scores and labels (1, N) by descending score, size (1, 2) px -> which of them the head
    gets (1, K) and how many of these are none, then the scores of relations."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, boxes: Tensor, scores: Tensor, labels: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        positions = torch.arange(labels.shape[1], device=labels.device)[None]
        given = GraphDetections((labels >= 0).sum(1), boxes, scores, labels, positions)
        chosen = self.model.limit_detections(given)
        return chosen.count, chosen.prior_index, *self.model.relation_scores(chosen, size)


@register_format('onnx-boxes')
def export_boxes(request: ExportRequest, folder: Path) -> dict:
    """Write ``model.onnx`` and ``manifest.json`` into ``folder``; returns the manifest.

    Raises:
        UserError: a model that finds its own boxes or whose head reads features, or relations that are not torch's.
    """
    check_boxes_model(request)
    model = request.model
    outputs = ['count', 'positions', *model.extra_outputs]
    write_boxes_graph(model, folder / MODEL, outputs)
    manifest = {
        'model': {'file': MODEL, 'sha256': sha256(folder / MODEL), 'opset': OPSET},
        'classes': list(request.classes),
        'input': {'kind': KIND, 'names': list(INPUTS)},
        'boxes': given_options(pipeline_of(request.cfg)),
        'outputs': {'names': outputs, 'extra': list(model.extra_outputs)},
        'versions': {'detplug': __version__} | {name: version(name) for name in PACKAGES},
    } | model.manifest_entries()
    write_manifest(folder, manifest)
    agreement = compare_boxes(model, BoxesRelations(folder, 'cpu'))
    require(agreement, f'{request.cfg.filename}: onnx-boxes')
    return manifest | {'errors': agreement.to_dict()}


def check_boxes_model(request: ExportRequest) -> None:
    """Refuse a model that has no such graph.

    Raises:
        UserError: see :func:`export_boxes`.
    """
    where, model = f'{request.cfg.filename}: onnx-boxes', request.model
    if not getattr(model, 'needs_boxes', False):
        raise UserError(f'{where}: the model finds its own boxes; export it with --format onnx')
    model.check_head_export()
    for option, given in (('--raw', request.raw), ('--dynamic-batch', request.dynamic_batch)):
        if given:
            raise UserError(f'{where}: {option}: takes the boxes of one image at once; leave it out')


def write_boxes_graph(model: nn.Module, path: Path, outputs: list[str]) -> None:
    """Write the graph of any number of boxes."""
    generator = torch.Generator().manual_seed(0)
    example = random_boxes(40, len(model.dataset_meta['classes']), generator)
    number = torch.export.Dim('boxes', min=2, max=4096)
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            BoxesGraph(model).eval(),
            (*(x[None] for x in example), torch.tensor([SIZE]).float()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=outputs,
            dynamic_shapes=({1: number}, {1: number}, {1: number}, {}),
            verbose=False,
        )
    for node in program.model.graph:
        node.metadata_props.clear()  # traces of the exporter: a tenth of the file, with paths of this machine
    program.save(path, external_data=False)


def compare_boxes(model: nn.Module, runtime: BoxesRelations) -> Agreement:
    """Compare both on generated images of 0 to 79 boxes, some beyond the edges of the image."""
    generator, agreement = torch.Generator().manual_seed(1), Agreement()
    for number in np.linspace(0, 79, COMPARED).astype(int).tolist():
        boxes, scores, labels = random_boxes(number, len(runtime.names), generator)
        meta = dict(img_shape=SIZE[::-1], ori_shape=SIZE[::-1], scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=meta, proposals=InstanceData(bboxes=boxes, scores=scores, labels=labels))
        with torch.inference_mode():
            sample = model.predict(torch.zeros(1), [sample])[0]
        sample.pred_instances = there = sample.pred_instances.cpu().numpy()
        fields = fields_of_sample(sample, model)
        expected = Detections(there.bboxes, there.scores, there.labels, runtime.names, fields)
        given = ImageDetections(boxes.numpy(), labels.numpy(), scores.numpy())
        agreement.add(expected, runtime.relate(given, SIZE), 0.0, number + 1)
    return agreement


def random_boxes(number: int, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 4) float32 xyxy px, (N,) scores in descending order, (N,) int64 labels, every other one 0."""
    first = torch.rand(number, 2, generator=generator) * torch.tensor(SIZE) - 20
    side = torch.rand(number, 2, generator=generator) * 200
    labels = torch.randint(0, classes, (number,), generator=generator)
    labels[::2] = 0
    scores = torch.rand(number, generator=generator).sort(descending=True).values
    return torch.cat([first, first + side], 1), scores, labels
