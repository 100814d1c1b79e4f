"""An exported bundle as an engine: onnxruntime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detplug.errors import UserError
from detplug.runtime.bundle import MANIFEST, PICTURES, Detector, input_kind, read_manifest, sha256_below
from detplug.runtime.bundle_engine import bundle_engine
from detplug.runtime.detections import Detections
from detplug.runtime.engine import Engine, field_names
from detplug.runtime.thresholds import manifest_thresholds


class OnnxEngine:
    """The engine of a bundle; see :class:`detplug.runtime.engine.Engine`.

    Args:
        folder: what ``export`` wrote.
        device: auto, cpu, cuda, cuda:1, ...
        threads: inside an operator, all cores by default.
        batch: images at once; by default 8 of a bundle with a dynamic batch size, else one.

    Raises:
        UserError: as :class:`detplug.runtime.bundle.Detector`; a batch that the bundle does not take.
    """

    def __init__(
        self, folder: str | Path, device: str = 'auto', threads: int | None = None, batch: int | None = None
    ) -> None:
        self._take(Detector(folder, threads, device), batch)
        self.device = f'{device}: {self.detector.provider} of onnxruntime'

    @classmethod
    def of(cls, detector: Detector) -> 'OnnxEngine':
        """The engine of a detector that is open, one image at once."""
        engine = cls.__new__(cls)
        engine._take(detector, 1)
        engine.device = detector.provider
        return engine

    def _take(self, detector: Detector, batch: int | None) -> None:
        self.detector, manifest = detector, detector.manifest
        self.names, self.batch = detector.names, batch or (8 if detector.dynamic_batch else 1)
        if self.batch > 1 and not detector.dynamic_batch:
            raise UserError(
                f'--batch {batch}: {detector.folder} takes one image at once; export it with --dynamic-batch'
            )
        self.fields = field_names(manifest['outputs'].get('extra', ()))
        self.window = detector.window
        self.chosen = manifest_thresholds(manifest, str(detector.folder / MANIFEST))

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        return self.detector.detect(images)


@dataclass(frozen=True)
class BundleSource:
    """Opens a bundle in each process.

    ``boxes``: file of the boxes of each picture, for a bundle that is given some; ``annotations``: COCO json whose ids
    that file has.
    """

    folder: str
    device: str = 'auto'
    batch: int | None = None
    boxes: str | None = None
    annotations: str | None = None

    def open(self, threads: int | None = None) -> Engine:
        """As :class:`detplug.runtime.engine.EngineSource` says."""
        kind = input_kind(read_manifest(Path(self.folder)))
        if kind != PICTURES:
            return bundle_engine(kind, self.folder)(self, threads)
        if self.boxes is not None:
            raise UserError(f'--boxes: {self.folder} is a bundle that finds its own boxes; leave it out')
        return OnnxEngine(self.folder, self.device, threads, self.batch)

    def identity(self) -> dict:
        """The sha256 of the model and of the boxes, and what the manifest says of the preparation."""
        manifest = read_manifest(Path(self.folder))
        keys = ('model', 'input', 'letterbox', 'outputs', 'nms', 'classes')
        given = {} if self.boxes is None else dict(boxes=sha256_below(Path(self.boxes)))
        return {'bundle': {key: manifest[key] for key in keys if key in manifest}} | given
