"""The registry of export formats: the seam where plugins add theirs.

A plugin's module, imported through the config's ``custom_imports``, registers a function::

    @register_format('qonnx')
    def export_qonnx(request: ExportRequest, folder: Path) -> dict:
        ...  # write files into ``folder``, compare with ``request.model``, return the manifest
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from detplug.export.bundle import staging, write_manifest
from detplug.named_parts import NamedParts


@dataclass(frozen=True)
class ExportRequest:
    """What an exporter works from.

    Attributes:
        model: detector in eval mode with its weights; ``model.dataset_meta['classes']`` names its classes.
        cfg: the whole config; its data sets give images for comparison and calibration.
        img_size: side of the square network input, pixels; 0 of a model that is given boxes, no pictures.
        as_pipeline: the input follows the test pipeline instead, which may be of any height and width; formats that
            need a square keep to ``img_size``.
        map_images: images of the val split, at most, that mAP is measured on; 0: none.
        raw: leave decoding and NMS out of the graph.
        dynamic_batch: any number of images at once; otherwise one.
        max_map_loss: a quantised model that loses more mAP than this on the val split is refused.
        device: where the torch model computes when it is compared with what was written; ``model`` is on the CPU.
    """

    model: nn.Module
    cfg: Config
    img_size: int
    raw: bool = False
    dynamic_batch: bool = False
    max_map_loss: float = 0.03
    device: torch.device = torch.device('cpu')
    as_pipeline: bool = False
    map_images: int = 500

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in label order."""
        return tuple(self.model.dataset_meta['classes'])

    @property
    def side(self) -> int | None:
        """Of the square input; None where the input follows the test pipeline."""
        return None if self.as_pipeline else self.img_size


@dataclass(frozen=True)
class Bundle:
    """A finished export: its folder and its manifest."""

    folder: Path
    manifest: dict


Exporter = Callable[[ExportRequest, Path], dict]
FORMATS: NamedParts[Exporter] = NamedParts('--format ', 'format')


Check = Callable[[ExportRequest], None]
CHECKS: dict[str, Check] = {}


def register_format(name: str, check: Check | None = None) -> Callable[[Exporter], Exporter]:
    """Decorator that adds an exporter under ``name``.

    Args:
        check: refuses, with a UserError, a request that the exporter would refuse whatever the weights are; called
            before a training that ends with this export.

    Raises:
        KeyError: the name is taken by another function.
    """
    if check is not None:
        CHECKS[name] = check
    return FORMATS.adder(name)


def exporter(name: str) -> Exporter:
    """The exporter that is registered under ``name``.

    Raises:
        UserError: there is none.
    """
    import detplug.export.onnx_format
    import detplug.export.onnx_int8  # noqa: F401  (the host's own; both need this module)

    return FORMATS.find(name)


def export(name: str, request: ExportRequest, out: str | Path) -> Bundle:
    """Export into folder ``out``, which appears only when the exporter found its result equal to the torch model.

    Raises:
        UserError: an unknown format, a model the format cannot take, a result that does not match, an ``out`` that
            holds something else than an earlier bundle.
    """
    write, out = exporter(name), Path(out)
    with staging(out) as folder:
        manifest = {'format': name} | write(request, folder)
        write_manifest(folder, manifest)
    return Bundle(out, manifest)
