"""postprocess.py of a bundle: what the runtime finds, with numpy alone."""

import subprocess
import sys

import numpy as np
import pytest

from detplug.runtime.decode import anchor_grid
from detplug.runtime.detections import select
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
