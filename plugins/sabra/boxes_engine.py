"""A bundle of format ``onnx-boxes`` as an engine: relations between boxes of a file, in onnxruntime. Needs no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.errors import UserError
from detplug.runtime.bundle import open_session, read_manifest
from detplug.runtime.detections import Detections
from detplug.runtime.engine import field_names
from detplug.runtime.onnx_engine import BundleSource
from detplug.runtime.result_field import fields_of_outputs

from .detections import GivenBoxes, ImageDetections

KIND = 'boxes'  # of the manifest's input
INPUTS = ('boxes', 'scores', 'labels', 'size')
LEAST = 2  # boxes that the graph takes; less is padded by boxes of no class


class BoxesRelations:
    """Relations between the boxes of an image.

    Args:
        folder: what ``export --format onnx-boxes`` wrote.

    Raises:
        UserError: as :class:`detplug.runtime.bundle.Detector`.
    """

    def __init__(self, folder: str | Path, device: str = 'auto', threads: int | None = None) -> None:
        self.manifest = read_manifest(Path(folder))
        self.names = tuple(self.manifest['classes'])
        self.session, self.provider = open_session(Path(folder), self.manifest, threads, device)

    def relate(self, given: ImageDetections, size: tuple[int, int]) -> Detections:
        """Those of the boxes that the head gets, by descending score, with their relations.

        Args:
            size: width and height of the image, px.
        """
        order = np.argsort(-given.scores, kind='stable')
        boxes, scores, labels = given.boxes[order], given.scores[order], given.labels[order]
        missing = (0, max(0, LEAST - len(order)))
        feed = (
            np.pad(boxes, (missing, (0, 0))),
            np.pad(scores, missing),
            np.pad(labels, missing, constant_values=-1),
            np.array(size, np.float32),
        )
        outputs = self.session.run(None, {name: value[None] for name, value in zip(INPUTS, feed, strict=True)})
        count, positions, *scored = (x[0] for x in outputs)
        extra = dict(zip(self.manifest['outputs']['extra'], (x[:count] for x in scored), strict=True))
        kept = positions[:count]
        fields = fields_of_outputs(extra, self.manifest, len(kept))
        inside = np.clip(boxes[kept], 0, np.array(size * 2, np.float32))  # after the head, as torch does
        return Detections(inside, scores[kept], labels[kept], self.names, fields)


class BoxesEngine:
    """The protocol of :class:`detplug.runtime.engine.Engine` over a bundle and a file of boxes."""

    by_name, batch, window = True, 1, None

    def __init__(self, relations: BoxesRelations, boxes: GivenBoxes, device: str) -> None:
        self.relations, self.boxes = relations, boxes
        self.names, self.device = relations.names, f'{device}: {relations.provider} of onnxruntime'
        self.fields = field_names(relations.manifest['outputs']['extra'])

    def __call__(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[Detections]:
        sizes = [image.shape[1::-1] for image in images]
        return [self.relations.relate(self.boxes.of(name, size), size) for name, size in zip(names, sizes, strict=True)]


def open_engine(source: BundleSource, threads: int | None = None) -> BoxesEngine:
    """As :mod:`detplug.runtime.bundle_engine` asks.

    Raises:
        UserError: no boxes, a file that is none of such, or a batch.
    """
    if source.boxes is None:
        raise UserError(f'{source.folder}: is given boxes, it finds none; add --boxes FILE')
    if source.batch not in (None, 1):
        raise UserError(f'--batch {source.batch}: {source.folder} takes the boxes of one picture at once; leave it out')
    relations = BoxesRelations(source.folder, source.device, threads)
    ids = source.annotations if source.boxes.lower().endswith('.json') else None  # the others have no ids
    options = relations.manifest['boxes']
    boxes = GivenBoxes(source.boxes, ids, classes=relations.names, by_name=True, **options)
    return BoxesEngine(relations, boxes, source.device)
