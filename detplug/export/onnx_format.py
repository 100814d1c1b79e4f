"""Export format ``onnx``: float32, checked end to end against the torch model."""

from dataclasses import replace
from pathlib import Path

from detplug.engine.torch_engine import TorchEngine
from detplug.errors import UserError
from detplug.export.bundle import write_manifest
from detplug.export.compare import check_decided, compare, nudged, require
from detplug.export.evaluate import mean_precision
from detplug.export.exportable import check_exportable
from detplug.export.formats import ExportRequest, register_format
from detplug.export.graph import InputSize, write_graph
from detplug.export.images import image_paths
from detplug.export.manifest import describe
from detplug.export.pipeline import image_rule, input_multiple, prediction_steps, window_of
from detplug.runtime.bundle import MODEL, Detector
from detplug.runtime.onnx_engine import OnnxEngine

COMPARED = 16  # images
MAP_TOLERANCE = 0.005  # boxes at a threshold move mAP a little; another preparation of images moves it more


@register_format('onnx')
def export_onnx(request: ExportRequest, folder: Path) -> dict:
    """Write ``model.onnx`` and ``manifest.json`` into ``folder``; returns the manifest.

    ``errors`` says how far its boxes are from the torch model's, ``metrics`` the mAP of both on images of val.
    The torch model is on the road of ``predict``: the config's own test pipeline.

    Raises:
        UserError: the model has no ONNX form here, or the runtime's boxes are not the torch model's.
    """
    check_exportable(request.model, request.raw)
    outputs = write_graph(request.model, folder / MODEL, input_size(request), request.raw, request.dynamic_batch)
    manifest = describe(request, folder, outputs)
    write_manifest(folder, manifest)
    detector, reference = Detector(folder, device='cpu'), reference_of(request)
    paths, what = image_paths(request.cfg, 'val', COMPARED), f'{request.cfg.filename}: onnx'
    agreement = compare(reference, detector, paths)
    if not agreement.passed and not agreement.tied:
        other = reference_of(replace(request, model=nudged(request.model)))
        check_decided(reference, other, manifest['nms'], paths, what)
    require(agreement, what)
    if not agreement.boxes:
        raise UserError(
            f'{request.cfg.filename}: onnx: the model finds nothing in {agreement.images} images of the '
            'val split, so nothing could be compared; give a trained checkpoint'
        )
    return manifest | {'errors': agreement.to_dict(), 'metrics': metrics_of(request, reference, detector)}


def metrics_of(request: ExportRequest, reference: TorchEngine, detector: Detector) -> dict:
    """``map_torch`` and ``map_onnx`` (0 to 1; None without objects) on ``images`` images of the val split.

    Raises:
        UserError: they differ.
    """
    both = {'map_torch': reference, 'map_onnx': OnnxEngine.of(detector)}
    precisions = mean_precision(both, request.cfg, 'val', request.map_images)
    if precisions['map_torch'] is not None and abs(precisions['map_torch'] - precisions['map_onnx']) > MAP_TOLERANCE:
        raise UserError(
            f'{request.cfg.filename}: onnx: mAP {precisions["map_onnx"]:.4f}, of torch {precisions["map_torch"]:.4f} '
            f'on {precisions["images"]} images of the val split, more than {MAP_TOLERANCE} apart; nothing was written'
        )
    return precisions


def reference_of(request: ExportRequest) -> TorchEngine:
    """The torch model with the config's test pipeline, or with the same in a square."""
    steps, window = prediction_steps(request.cfg, request.side), window_of(request.cfg)
    return TorchEngine(request.model, steps, request.device, batch=1, window=window, side=request.side)


def input_size(request: ExportRequest) -> InputSize:
    """The input's height and width: those of the test pipeline, or a square."""
    sides = image_rule(request.cfg, request.side)[1]
    height, width = (side if isinstance(side, int) else None for side in sides)
    return InputSize(height, width, input_multiple(request.cfg))
