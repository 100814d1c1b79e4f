"""postprocess.py of a bundle: what the runtime finds, with numpy alone."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from detplug.errors import UserError
from detplug.export.formats import ExportRequest
from detplug.runtime.decode import anchor_grid
from detplug.runtime.detections import select
from plugins.fpga.bundle.golden import write_postprocessor
from plugins.fpga.bundle.postprocess import postprocessor

RULE = dict(type='anchor_grid', anchors=[[[10, 13], [16, 30]], [[30, 61], [62, 45]]], strides=[8, 16])
NMS = dict(score_thr=0.3, iou_threshold=0.6, max_per_img=50, multi_label=True)
FRACS = (9, 11)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return [rng.integers(-2000, 2000, (2, 2 * (5 + 3), side, side)) for side in (8, 4)]


@pytest.mark.parametrize('nms', [NMS, NMS | dict(max_per_class=3)], ids=['', 'limit a class'])
def test_the_file_does_what_the_runtime_does(maps, nms):
    module = {}
    exec(postprocessor(), module)
    manifest = dict(outputs=dict(formats=[dict(frac=x) for x in FRACS], decode=RULE), nms=nms)
    found = module['detect'](maps, manifest)
    values = [(q * 2.0**-frac).astype(np.float32) for q, frac in zip(maps, FRACS, strict=True)]
    assert len(found) == 2 and len(found[0][0]) > 0
    for own, dense in zip(found, zip(*anchor_grid(values, RULE), strict=True), strict=True):
        for a, b in zip(own, select(*dense, nms), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_file_imports_numpy_alone(tmp_path):
    (tmp_path / 'postprocess.py').write_text(postprocessor())
    code = 'import postprocess, sys; print([x for x in ("torch", "cv2", "detplug", "onnxruntime") if x in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


class Boxes(torch.nn.Module):
    """A detector that finds given boxes, scores and labels of each image."""

    def __init__(self, found):
        super().__init__()
        self.bbox_head, self.found = self, found
        self.dataset_meta = dict(classes=('a', 'b', 'c'))

    def extract_feat(self, images):
        return [images]

    def forward(self, maps):
        return (maps,)

    def predict_by_feat(self, maps, metas, rescale):
        fields = [map(torch.from_numpy, image) for image in self.found]
        return [InstanceData(**dict(zip(('bboxes', 'scores', 'labels'), image, strict=True))) for image in fields]


def swapped(maps):
    """An object with one score at two places, the later one first: as torch may have them."""
    for level in maps:
        level[:] = -4000
    maps[0][:, [4, 5]] = 1500  # objectness and first class of the first anchor, and at two cells alone
    keep = np.zeros((8, 8), bool)
    keep[1, 1] = keep[6, 6] = True
    maps[0][:, 4][:, ~keep] = -4000
    manifest = dict(
        outputs=dict(names=['a', 'b'], formats=[dict(frac=x) for x in FRACS], decode=RULE), nms=NMS, classes=list('abc')
    )
    module = {}
    exec(postprocessor(), module)
    found = [tuple(np.clip(x[::-1], 0, None).copy() for x in image) for image in module['detect'](maps, manifest)]
    return manifest, found


def test_equal_scores_in_another_order_are_the_same_boxes(maps, tmp_path):
    manifest, found = swapped(maps)
    boxes, scores, _ = found[0]
    assert len(scores) == 2 and scores[0] == scores[1] and np.abs(boxes[0] - boxes[1]).max() > 30
    request = ExportRequest(Boxes(found), Config({}), 64)
    differences = write_postprocessor(tmp_path, request, manifest, dict(a=maps[0], b=maps[1]), np.zeros((2, 3, 64, 64)))
    assert differences == {'postprocess_max_box_px': 0, 'postprocess_max_score_diff': 0}


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        (lambda boxes, scores, labels: (boxes + 1, scores, labels), 'boxes differ by 1 px'),
        (lambda boxes, scores, labels: (boxes, scores + np.float32(0.01), labels), r'scores by 0\.01'),
        (lambda boxes, scores, labels: (boxes, scores, labels + 1), '4 unmatched beside 2'),
        (
            lambda boxes, scores, labels: (
                np.append(boxes, boxes[:1] + 99, 0),
                np.append(scores, np.float32(0.30001)),
                np.append(labels, labels[:1]),
            ),
            '0 unmatched beside 4 matched, 1 at the threshold',
        ),
        (lambda boxes, scores, labels: (boxes[:1], scores[:1], labels[:1]), '1 unmatched beside 3'),
    ],
    ids=['boxes', 'scores', 'labels', 'one more at the threshold', 'one missing'],
)
def test_other_boxes_are_refused(maps, tmp_path, change, line):
    manifest, found = swapped(maps)
    request = ExportRequest(Boxes([change(*found[0]), found[1]]), Config({}), 64)
    with pytest.raises(UserError, match=rf'postprocess.py finds other boxes than torch: .*{line}'):
        write_postprocessor(tmp_path, request, manifest, dict(a=maps[0], b=maps[1]), np.zeros((2, 3, 64, 64)))
