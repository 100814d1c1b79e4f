"""The runtime's input and its boxes are those of the host's transforms."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample

from detplug.data.letterbox import Letterbox
from detplug.export.manifest import normalisation
from detplug.images.letterbox import letterbox, network_input

SIDES = st.integers(1, 90)


@settings(max_examples=60)
@given(height=SIDES, width=SIDES, side=st.sampled_from([32, 64]), centre=st.booleans(), seed=st.integers(0, 99))
def test_pixels_and_places_equal_the_test_transform(height, width, side, centre, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas, place = letterbox(image, (side, side), centre=centre)
    transform = Letterbox(scale=(side, side), fixed=True, centre=centre)
    results = transform.transform(dict(img=image, ori_shape=(height, width)))
    np.testing.assert_array_equal(canvas, results['img'])
    assert place.scale == tuple(results['scale_factor']) and place.offset == results['pad_offset']


@given(height=SIDES, width=SIDES, centre=st.booleans())
def test_the_content_rectangle_maps_back_to_the_whole_image(height, width, centre):
    canvas, place = letterbox(np.full((height, width, 3), 255, np.uint8), (64, 64), centre=centre)
    y, x = np.nonzero(canvas[..., 0] == 255)  # the padding is grey
    content = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
    np.testing.assert_allclose(place.to_original(content), [[0, 0, width, height]], rtol=1e-6)


def test_boxes_are_clipped_to_the_image():
    _, place = letterbox(np.zeros((30, 60, 3), np.uint8), (64, 64))
    clipped = place.to_original(np.array([[-9, -9, 500, 500]], np.float32))
    np.testing.assert_array_equal(clipped, [[0, 0, 60, 30]])


def test_the_network_input_equals_the_data_preprocessor():
    preprocessor = DetDataPreprocessor([10, 20, 30], [50, 60, 70], bgr_to_rgb=True)
    model = torch.nn.Module()
    model.data_preprocessor = preprocessor
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    data = dict(inputs=[torch.from_numpy(image.transpose(2, 0, 1).copy())], data_samples=[DetDataSample()])
    expected = preprocessor(data)['inputs'].numpy()
    np.testing.assert_array_equal(network_input([image], normalisation(model)), expected)
