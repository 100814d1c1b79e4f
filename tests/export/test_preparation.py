"""The runtime's input is, to the bit, what the test pipeline and the model's preprocessor make of an image."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import TRANSFORMS
from mmengine.config import Config

from detplug.errors import UserError
from detplug.export.manifest import normalisation
from detplug.export.pipeline import ANY, image_rule, input_multiple, input_side, prediction_steps
from detplug.images.preparation import prepare

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')
GREY = dict(img=(114, 114, 114))
PIPELINES = {
    'RetinaNet': [dict(type='Resize', scale=(96, 64), keep_ratio=True)],
    'RTMDet': [dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='Pad', size=(64, 64), pad_val=GREY)],
    'YOLOX': [dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='Pad', pad_to_square=True, pad_val=GREY)],
    'divisor': [dict(type='Resize', scale=(90, 50), keep_ratio=True), dict(type='Pad', size_divisor=32)],
    'ours': [dict(type='Letterbox', scale=(64, 64))],
    'ours wide': [dict(type='Letterbox', scale=(96, 64), fixed=True, centre=True)],
}
PREPROCESSORS = [
    dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, pad_size_divisor=32),
    dict(mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], pad_size_divisor=32, pad_value=0.4),
    dict(pad_size_divisor=32),
]

PLAIN = {'channel_order': 'BGR', 'mean': [0.0] * 3, 'std': [1.0] * 3}


def config_of(steps: list[dict], preprocessor: dict = PREPROCESSORS[0]) -> Config:
    pipeline = [LOAD, *steps, dict(type='LoadAnnotations', with_bbox=True), PACK]
    return Config(
        dict(model=dict(data_preprocessor=preprocessor), test_dataloader=dict(dataset=dict(pipeline=pipeline)))
    )


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(PIPELINES)),
    preprocessor=st.sampled_from(PREPROCESSORS),
    side=st.sampled_from([None, 64, 96]),
    height=st.integers(3, 150),
    width=st.integers(3, 150),
    seed=st.integers(0, 9),
)
def test_pixels_sizes_and_places_equal_the_pipeline(name, preprocessor, side, height, width, seed):
    config = config_of(PIPELINES[name], preprocessor)
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    data = Compose([TRANSFORMS.build(x) for x in prediction_steps(config, side)])(dict(img=image))
    module = DetDataPreprocessor(**(preprocessor | (dict(pad_size_divisor=side) if side else {})))
    wanted = module(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))
    meta = wanted['data_samples'][0].metainfo
    rule, sides = image_rule(config, side)
    model = SimpleNamespace(data_preprocessor=module)
    spec = {'shape': [1, 3, *sides], 'multiple': input_multiple(config)} | normalisation(model)
    found = prepare(image, {'letterbox': rule, 'input': spec})
    np.testing.assert_allclose(found.pixels, wanted['inputs'][0].numpy(), atol=1e-6)
    assert found.size == tuple(meta['img_shape'][::-1])
    np.testing.assert_allclose(found.placement.scale, meta['scale_factor'])
    assert found.placement.offset == tuple(meta.get('pad_offset', found.placement.offset))
    assert all(x == y for x, y in zip(sides, found.pixels.shape[1:], strict=True) if x not in ANY)
    assert side is None or sides == [side, side]


@pytest.mark.parametrize('name', ['RetinaNet', 'ours'])
def test_an_input_that_follows_the_image_has_no_fixed_side(name):
    assert image_rule(config_of(PIPELINES[name]))[1] == list(ANY)
    assert image_rule(config_of(PIPELINES['RTMDet']))[1] == image_rule(config_of(PIPELINES['YOLOX']))[1] == [64, 64]
    assert input_side(config_of(PIPELINES['RetinaNet']), None) == 96


@pytest.mark.parametrize(
    ('steps', 'words'),
    [
        ([dict(type='Resize', scale=(64, 64))], 'Resize: the runtime does .* keep_ratio=True'),
        ([dict(type='Resize', scale=(64, 64), keep_ratio=True, interpolation='area')], 'bilinear by cv2'),
        ([dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='Pad')], 'Pad: the runtime pads'),
        ([*PIPELINES['ours'], dict(type='RandomFlip', prob=0.5)], 'RandomFlip: the runtime does Letterbox'),
        ([*PIPELINES['ours'], dict(type='mmdet.CutOut', n_holes=1)], 'CutOut: the runtime does Letterbox'),
        ([dict(type='Letterbox', scale=(60, 60), fixed=True)], 'no multiples of 32'),
        ([], 'neither Letterbox nor Resize'),
    ],
)
def test_what_the_runtime_does_not_do_is_refused_by_name(steps, words):
    with pytest.raises(UserError, match=words) as error:
        image_rule(config_of(steps))
    assert '\n' not in str(error.value) and 'test_dataloader: ' in str(error.value)


def test_a_manifest_of_an_earlier_version_means_what_it_meant():
    old = {'letterbox': {'centre': True, 'pad_value': 7}, 'input': {'shape': [1, 3, 64, 64]} | PLAIN}
    pixels = prepare(np.full((20, 40, 3), 200, np.uint8), old).pixels
    assert pixels.shape == (3, 64, 64) and (pixels[:, :16] == 7).all() and (pixels[:, 16:48] == 200).all()
