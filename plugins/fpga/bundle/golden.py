"""Golden vectors of a bundle: integers of images, and of every output, for whoever has the hardware."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from detplug.errors import UserError
from detplug.export.compare import Agreement
from detplug.export.formats import ExportRequest
from detplug.runtime.detections import Detections

from ..integers.integer_network import IntegerNetwork
from .postprocess import postprocessor

POSTPROCESS, GOLDEN = 'postprocess.py', 'golden.npz'


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

    Their order is not compared: of integers many scores are equal. Both have the same maps, so none is excused for
    a score at the threshold.

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
    agreement, nms, names = Agreement(), manifest['nms'], request.classes
    for (boxes, scores, labels), reference in zip(detections, wanted, strict=True):
        theirs = (x.numpy() for x in (reference.bboxes, reference.scores, reference.labels))
        mine = Detections(np.clip(boxes, 0, 4 * side), scores, labels, names)
        agreement.add(Detections(*theirs, names), mine, nms['score_thr'], nms['max_per_img'], nms.get('max_per_class'))
    if not agreement.passed or agreement.near_threshold:
        raise UserError(
            f'{request.cfg.filename}: fpga: {POSTPROCESS} finds other boxes than torch: {agreement.unmatched} '
            f'unmatched beside {agreement.boxes} matched, {agreement.near_threshold} at the threshold, boxes differ by '
            f'{agreement.max_box_px:.3g} px, scores by {agreement.max_score_diff:.3g}; give a trained checkpoint'
        )
    return {'postprocess_max_box_px': agreement.max_box_px, 'postprocess_max_score_diff': agreement.max_score_diff}
