"""A bundle's accelerator as an engine of ``predict``: folders, predictions.json, tiles, shards. Needs no torch.

    accelerator = Accelerator('bundle/rtl', overlay.axi_accelerator_0.mmio, pynq.allocate)
    predict_folder('bundle', accelerator, ['pictures'], 'out')

The runtime's own detector prepares, decodes and draws; in place of onnxruntime's session stands the accelerator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detplug.images.window import check_window
from detplug.runtime.bundle import MANIFEST, Detector, read_manifest
from detplug.runtime.onnx_engine import BundleSource, OnnxEngine

from ..integers.number_format import Format
from ..qonnx.images import to_integers
from .driver import Accelerator


class AcceleratorSession:
    """``run`` of an onnxruntime session, by the accelerator."""

    def __init__(self, accelerator: Accelerator, manifest: Mapping):
        self.accelerator = accelerator
        self.form = Format(**manifest['input']['format'])
        self.fracs = [form['frac'] for form in manifest['outputs']['formats']]

    def run(self, names: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Of each level (N, C, H, W) float32 of the images (N, 3, H, W) float32, 0..1.

        Raises:
            AcceleratorError: it stopped or does not end.
        """
        (images,) = feed.values()
        maps = [self.accelerator.run(image) for image in to_integers(images, self.form)]
        levels = (np.concatenate(level) for level in zip(*maps, strict=True))
        return [(q * 2.0**-frac).astype(np.float32) for q, frac in zip(levels, self.fracs, strict=True)]


class AcceleratorDetector(Detector):
    """`Detector` of a bundle of format fpga, on the accelerator.

    Raises:
        UserError: as `Detector`.
    """

    def __init__(self, folder: str | Path, accelerator: Accelerator):
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.names = tuple(self.manifest['classes'])
        self.window = check_window(self.manifest['input'].get('window'), f'{self.folder / MANIFEST}')
        self.session = AcceleratorSession(accelerator, self.manifest)
        self.provider = f'accelerator of {accelerator.program["array"]} x {accelerator.program["array"]}'


@dataclass(frozen=True)
class AcceleratorSource:
    """The one engine there is: an accelerator cannot be opened in several processes."""

    folder: str
    accelerator: Accelerator

    def open(self, threads: int | None = None) -> OnnxEngine:
        """As :class:`detplug.runtime.engine.EngineSource` says."""
        return OnnxEngine.of(AcceleratorDetector(self.folder, self.accelerator))

    def identity(self) -> dict:
        """That of the bundle: the integers are the same wherever they are computed."""
        return BundleSource(self.folder).identity()


def predict_folder(
    folder: str, accelerator: Accelerator, paths: Sequence[str], out: str, options: Sequence[str] = ()
) -> int:
    """``detplug predict FOLDER PATHS --out OUT`` on the accelerator, with its options; returns the exit status.

    Raises:
        UserError: as ``predict``.
    """
    from detplug.cli.predict import make_parser
    from detplug.cli.predictions import predict

    args = make_parser().parse_args([folder, *paths, '--out', out, '--workers', '1', *options])
    return predict(AcceleratorSource(folder, accelerator), args.paths, Path(args.out), args)
