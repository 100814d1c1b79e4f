"""The runtime of an exported detector: onnxruntime, numpy and OpenCV, nothing else.

detections = Detector('bundle')('image.jpg').above(0.25)
print(detections.boxes, detections.scores, [detections.names[i] for i in detections.labels])
detections.fields holds what else the model says.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from detplug.errors import UserError
from detplug.images.preparation import Prepared, prepare
from detplug.images.reading import read_image as read_file
from detplug.images.window import Window, check_window
from detplug.runtime.bundled import bundle_folder
from detplug.runtime.decode import DECODERS
from detplug.runtime.detections import Detections, select
from detplug.runtime.providers import check_started, providers_of
from detplug.runtime.result_field import fields_of_outputs, finished

MODEL, MANIFEST = 'model.onnx', 'manifest.json'
NEEDED = ('classes', 'input', 'outputs')  # entries of every manifest
OF_PICTURES = ('letterbox', 'nms')  # and of one whose input is a picture
PICTURES = 'pictures'  # kind of input where the manifest names no other


class Detector:
    """A detector read from a bundle folder (``model.onnx`` and ``manifest.json``).

    Args:
        folder: what ``export --format onnx`` or ``onnx-int8`` wrote, or the name of a bundled detector.
        threads: threads inside an operator; all cores by default.
        device: auto (a GPU where onnxruntime has CUDA, else the CPU), cpu, cuda, cuda:1, ...

    Attributes:
        window: (low, high) pixel values that become 0 and 255, of images of more than 8 bit; None refuses those.
        provider: what onnxruntime computes with, ``CPUExecutionProvider`` or ``CUDAExecutionProvider``.

    Raises:
        UserError: a file is missing, the model is not the one the manifest was written for, its input is no picture,
            or the device is not there.
    """

    def __init__(self, folder: str | Path, threads: int | None = None, device: str = 'auto'):
        self.folder = bundle_folder(folder)
        self.manifest = read_manifest(self.folder)
        if input_kind(self.manifest) != PICTURES:
            raise UserError(
                f'{folder}: its input is {input_kind(self.manifest)}, no pictures alone; run it by '
                f'detplug predict {folder}'
            )
        self.names = tuple(self.manifest['classes'])
        self.window = check_window(self.manifest['input'].get('window'), f'{self.folder / MANIFEST}')
        self.session, self.provider = open_session(self.folder, self.manifest, threads, device)

    @property
    def dynamic_batch(self) -> bool:
        """Whether the network takes any number of images at once."""
        return self.manifest['input']['shape'][0] != 1

    def __call__(self, image: str | Path | np.ndarray) -> Detections:
        """Detect in one image: a path, or (H, W, 3) uint8 in BGR order.

        Raises:
            UserError: the file is missing or is not an image.
        """
        return self.detect([image])[0]

    def detect(self, images: Sequence[str | Path | np.ndarray]) -> list[Detections]:
        """Detect in several images: those of one input size in one batch where the network has a dynamic batch size."""
        prepared = [self.prepare(image) for image in images]
        groups: dict[tuple, list[int]] = {}
        for i, item in enumerate(prepared):
            groups.setdefault(item.pixels.shape if self.dynamic_batch else (i,), []).append(i)
        detections = {}
        for rows in groups.values():
            detections |= zip(rows, self._batch([prepared[i] for i in rows]), strict=True)
        return [detections[i] for i in range(len(images))]

    def prepare(self, image: str | Path | np.ndarray) -> Prepared:
        """The network's input of an image, and where the image lies in it."""
        return prepare(read_image(image, self.window), self.manifest)

    def feed(self, batch: Sequence[Prepared]) -> dict[str, np.ndarray]:
        """The network's inputs by name: images of one size, and where they end if it asks for that."""
        spec = self.manifest['input']
        images = {spec['name']: np.stack([x.pixels for x in batch])}
        if not spec.get('image_sizes'):
            return images
        return images | {spec['image_sizes']: np.array([x.size for x in batch], np.float32)}

    def run(self, batch: Sequence[Prepared]) -> list[tuple[np.ndarray, ...]]:
        """Per image boxes (D, 4) xyxy input pixels, scores, labels (D,), extra outputs (D, ...)."""
        outputs = self.session.run(self.manifest['outputs']['names'], self.feed(batch))
        if self.manifest['outputs']['kind'] == 'detections':
            count, *detections = outputs
            return [tuple(values[i, :n] for values in detections) for i, n in enumerate(count)]
        rule = self.manifest['outputs']['decode']
        return [
            select(*dense, self.manifest['nms']) for dense in zip(*DECODERS[rule['type']](outputs, rule), strict=True)
        ]

    def _batch(self, batch: Sequence[Prepared]) -> list[Detections]:
        extra = self.manifest['outputs'].get('extra', [])
        detections = []
        for (boxes, scores, labels, *more), item in zip(self.run(batch), batch, strict=True):
            named = dict(zip(extra, more, strict=True))
            fields = fields_of_outputs(named, self.manifest, len(scores))
            boxes = item.placement.to_original(boxes)
            detections.append(finished(Detections(boxes, scores, labels, self.names, fields), self.manifest))
        return detections


def open_session(
    folder: Path, manifest: Mapping, threads: int | None, device: str
) -> tuple[onnxruntime.InferenceSession, str]:
    """The session of a bundle's model, and the provider that it computes with.

    Raises:
        UserError: a model that onnxruntime does not take, or a device that is not there.
    """
    options, path, providers = onnxruntime.SessionOptions(), folder / MODEL, providers_of(device)
    options.intra_op_num_threads = threads or 0
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has a class for each kind, such as operators of another dialect
        reason, kind = str(error).partition('\n')[0], manifest.get('format')
        if 'CUDA' in reason:  # no GPU of this number, no memory on it
            raise UserError(f'{path}: onnxruntime: {reason}; give another --device') from error
        raise UserError(f'{path}: format {kind}: onnxruntime: {reason}; export with --format onnx') from error
    return session, check_started(session, device)


def input_kind(manifest: Mapping) -> str:
    """What the graph of a bundle takes: pictures, or what a plugin's engine gives it (bundle_engines.py)."""
    return (manifest.get('input') or {}).get('kind', PICTURES)


def read_image(image: str | Path | np.ndarray, window: Window | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR of a file or an array.

    Raises:
        UserError: no such file, not an image, or an array of another form.
    """
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise UserError(f'image: {image.dtype} array of shape {image.shape}; give (H, W, 3) uint8 in BGR order')
        return image
    return read_file(image, window)


def read_manifest(folder: Path) -> dict:
    """The manifest of a bundle whose model file is the one that was checked when it was exported.

    Raises:
        UserError: a file is missing, the manifest is not JSON, or the model's sha256 differs.
    """
    for name in (MANIFEST, MODEL):
        if not (folder / name).is_file():
            raise UserError(f'{folder}: no {name}; give a folder that tools/export.py wrote')
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        needed = (*NEEDED, *(OF_PICTURES if input_kind(manifest) == PICTURES else ()))
        expected, _ = manifest['model']['sha256'], [manifest[key] for key in needed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{folder / MANIFEST}: is not a manifest of tools/export.py; export again') from error
    if sha256(folder / MODEL) != expected:
        raise UserError(f'{folder / MODEL}: sha256 differs from manifest.json; export again or copy both files')
    return manifest


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sha256_below(path: Path) -> str:
    """Of a file, or of all files of a folder with their names."""
    if not path.is_dir():
        return sha256(path)
    files = (
        f'{file.relative_to(path).as_posix()} {sha256(file)}' for file in sorted(path.rglob('*')) if file.is_file()
    )
    return hashlib.sha256('\n'.join(files).encode()).hexdigest()
