"""The runtime needs neither torch nor mmdet, and says in one line what is wrong with its input."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from detplug.errors import UserError
from detplug.runtime.bundle import Detector

CHILD = """
import json, sys
from detplug.runtime.bundle import Detector
found = Detector(sys.argv[1], threads=1)(sys.argv[2])
print(json.dumps(dict(boxes=found.boxes.tolist(), modules=sorted({name.partition('.')[0] for name in sys.modules}))))
"""


@pytest.mark.parametrize('name', ['bundle', 'raw_bundle'])
def test_a_process_that_detects_loads_no_torch_and_no_mmdet(request, name, val_images):
    folder = request.getfixturevalue(name).folder
    child = subprocess.run([sys.executable, '-c', CHILD, folder, val_images[0]], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert not {'torch', 'mmdet', 'mmcv', 'mmengine', 'onnx', 'scipy'} & set(result['modules'])
    np.testing.assert_allclose(result['boxes'], Detector(folder)(val_images[0]).boxes, atol=1e-3)


def test_an_array_in_bgr_order_equals_its_file(bundle, val_images):
    detector = Detector(bundle.folder)
    from_array, from_file = detector(cv2.imread(str(val_images[0]))), detector(val_images[0])
    np.testing.assert_array_equal(from_array.boxes, from_file.boxes)
    assert detector.detect([]) == []


@pytest.mark.parametrize('image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_an_array_of_another_form_is_refused(bundle, image):
    with pytest.raises(UserError, match='uint8 in BGR'):
        Detector(bundle.folder)(image)


@pytest.mark.parametrize('content', [None, b'', b'not an image'])
def test_a_missing_or_broken_image_is_one_line(bundle, tmp_path, content):
    path = tmp_path / 'image.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match='image not found' if content is None else 'empty|not an image') as error:
        Detector(bundle.folder)(path)
    assert '\n' not in str(error.value)


def test_a_bundle_that_was_changed_is_refused(bundle, tmp_path):
    with pytest.raises(UserError, match='no manifest.json'):
        Detector(tmp_path)
    folder = shutil.copytree(bundle.folder, tmp_path / 'copy')
    with open(folder / 'model.onnx', 'ab') as file:
        file.write(b'x')
    with pytest.raises(UserError, match='sha256 differs'):
        Detector(folder)
    (folder / 'manifest.json').write_text('[]')
    with pytest.raises(UserError, match='is not a manifest'):
        Detector(folder)
