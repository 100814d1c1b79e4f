"""Golden vectors of a bundle: integers of images, and of every output, for whoever has the hardware."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from detplug.errors import UserError
from detplug.export.formats import ExportRequest

from ..integers.integer_network import IntegerNetwork
from .postprocess import postprocessor

POSTPROCESS, GOLDEN = 'postprocess.py', 'golden.npz'
BOX_TOLERANCE, SCORE_TOLERANCE = 0.05, 1e-4  # px of the network's input; the host's for float graphs


def write_golden(folder: Path, network: IntegerNetwork, q: np.ndarray) -> Mapping[str, np.ndarray]:
    """golden.npz: ``images`` (N, 3, S, S) uint8 and each output (N, C, H, W) int32; returns all maps."""
    maps = network.run(q)
    outputs = {name: maps[name].astype(np.int32) for name in network.outputs}
    np.savez_compressed(folder / GOLDEN, images=q.astype(np.uint8), **outputs)
    return maps


def write_postprocessor(
    folder: Path, request: ExportRequest, manifest: dict, maps: Mapping[str, np.ndarray], images: np.ndarray
) -> dict[str, float]:
    """postprocess.py, compared with the torch detector's own decoding and NMS; the differences.

    Raises:
        UserError: it finds other boxes.
    """
    (folder / POSTPROCESS).write_text(postprocessor())
    module: dict = {}
    exec(compile((folder / POSTPROCESS).read_text(), POSTPROCESS, 'exec'), module)  # our own text, just written
    detections = module['detect']([maps[name] for name in manifest['outputs']['names']], manifest)
    model, side = request.model, request.img_size
    with torch.no_grad():
        outputs = model.bbox_head(model.extract_feat(torch.from_numpy(images)))
        metas = [dict(img_shape=(4 * side, 4 * side))] * len(images)  # wider than any box: nothing is clipped
        wanted = model.bbox_head.predict_by_feat(*outputs, metas, rescale=False)
    box = score = 0.0
    for (boxes, scores, labels), reference in zip(detections, wanted, strict=True):
        if len(boxes) != len(reference) or (labels != reference.labels.numpy()).any():
            raise UserError(f'{request.cfg.filename}: fpga: {POSTPROCESS} finds other boxes than torch; export again')
        inside = np.clip(boxes, 0, 4 * side)
        box = max(box, float(np.abs(inside - reference.bboxes.numpy()).max(initial=0)))
        score = max(score, float(np.abs(scores - reference.scores.numpy()).max(initial=0)))
    if box > BOX_TOLERANCE or score > SCORE_TOLERANCE:
        difference = f'boxes differ by {box:.3g} px, scores by {score:.3g}'
        raise UserError(f'{request.cfg.filename}: fpga: {POSTPROCESS}: {difference}; export again')
    return {'postprocess_max_box_px': box, 'postprocess_max_score_diff': score}
