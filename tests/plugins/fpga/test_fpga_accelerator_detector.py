"""A folder of pictures through the accelerator: predictions.json as ``predict`` writes it."""

import json

import cv2
import numpy as np
import pytest

from detplug.runtime.bundle import sha256
from detplug.runtime.decode import anchor_grid
from detplug.runtime.detections import select
from plugins.fpga.bundle.detector import predict_folder
from plugins.fpga.bundle.driver import AcceleratorError

SIDE, FRAC = 16, 3
RULE = dict(type='anchor_grid', anchors=[[[10, 13], [16, 30]]], strides=[8])
NMS = dict(score_thr=0.3, iou_threshold=0.6, max_per_img=50, multi_label=True)
MANIFEST = dict(
    classes=['egg', 'cell', 'other'],
    input=dict(name='images', shape=[1, 3, SIDE, SIDE], channel_order='RGB', mean=[0, 0, 0], std=[255, 255, 255],
               format=dict(frac=8, signed=False, bits=8)),
    letterbox=dict(pad_value=[114, 114, 114], centre=True),
    outputs=dict(kind='raw', names=['maps'], decode=RULE, formats=[dict(frac=FRAC)]),
    nms=NMS,
)  # fmt: skip


class Accelerator:
    """Makes maps of an image as a network would, or fails."""

    program = dict(array=4)

    def __init__(self, fails: bool = False):
        self.fails, self.seen = fails, []

    def run(self, image):
        if self.fails:
            raise AcceleratorError('instruction 3: not done after 10.0 s; is the memory reached?')
        self.seen.append(image)
        rng = np.random.default_rng(int(image.sum()) % 2**32)
        return [rng.integers(-40, 60, (1, 2 * (5 + 3), SIDE // 8, SIDE // 8))]


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / 'bundle'
    folder.mkdir()
    (folder / 'model.onnx').write_bytes(b'not read here')
    manifest = MANIFEST | dict(model=dict(sha256=sha256(folder / 'model.onnx')))
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for index in range(3):
        image = np.random.default_rng(index).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        cv2.imwrite(str(pictures / f'{index}.png'), image)
    return folder, pictures


def test_a_folder_gives_predictions_as_predict_writes_them(bundle, tmp_path):
    folder, pictures = bundle
    (pictures / 'bad.png').write_bytes(b'no picture')
    accelerator, out = Accelerator(), tmp_path / 'out'
    predict_folder(str(folder), accelerator, [str(pictures)], str(out), ['--score-thr', '0.3', '--no-pictures'])
    found = json.loads((out / 'predictions.json').read_text())
    assert len(accelerator.seen) == 3  # the bad one is listed, not fatal
    image = cv2.imread(str(pictures / '0.png'))[..., ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(accelerator.seen[0], np.clip(np.rint(image / 255 * 256), 0, 255))
    wanted = 0
    for image in accelerator.seen:
        q = Accelerator().run(image)[0] * np.float32(2.0**-FRAC)
        for dense in zip(*anchor_grid([q.astype(np.float32)], RULE), strict=True):
            wanted += len(select(*dense, NMS)[0])
    assert len(found) == wanted > 0


def test_an_accelerator_that_stops_is_an_error_and_no_empty_result(bundle, tmp_path):
    folder, pictures = bundle
    status = None
    try:
        status = predict_folder(str(folder), Accelerator(fails=True), [str(pictures)], str(tmp_path / 'out'))
    except AcceleratorError as error:
        assert 'not done' in str(error)
    assert status != 0
