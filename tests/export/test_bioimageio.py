"""A package of the BioImage Model Zoo says what the network does, and its test tensors are what the network does."""

import copy
import zipfile
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import yaml

import plugins.microscopy.register  # noqa: F401
from detplug.errors import UserError
from detplug.export import formats
from detplug.runtime.bundle import Detector

CARD = dict(description='Squares.', authors=[dict(name='A')], license='MIT')


def with_card(request, card):
    """The request of a config that says ``bioimageio``."""
    config = copy.deepcopy(request.cfg)
    config.bioimageio = card
    return replace(request, cfg=config)


@pytest.fixture(scope='module')
def package(request_of, tmp_path_factory):
    """Folder and rdf.yaml of the toy detector's package."""
    folder = tmp_path_factory.mktemp('zoo') / 'package'
    formats.export('bioimageio', with_card(request_of(), CARD), folder)
    return folder, yaml.safe_load((folder / 'rdf.yaml').read_text())


def test_the_tensors_are_what_the_described_preprocessing_and_the_graph_give(package):
    folder, content = package
    (source,) = content['inputs']
    pixels = np.load(folder / source['test_tensor']['source'])
    sizes = [axis.get('size', len(axis.get('channel_names', ()))) for axis in source['axes']]
    assert pixels.dtype == np.uint8 and list(pixels.shape) == sizes and pixels.std() > 5
    scale = source['preprocessing'][1]['kwargs']
    gain, offset = (np.array(scale[key], np.float32).reshape(3, 1, 1) for key in ('gain', 'offset'))
    session = onnxruntime.InferenceSession(folder / content['weights']['onnx']['source'])
    names = [output['id'] for output in content['outputs']]
    assert names == ['count', 'boxes', 'scores', 'labels']
    for output, found in zip(
        content['outputs'], session.run(names, {source['id']: pixels * gain + offset}), strict=True
    ):
        expected = np.load(folder / output['test_tensor']['source'])
        assert output['data']['type'] == str(expected.dtype) and len(output['axes']) == expected.ndim
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.load(folder / 'test_count.npy').item() > 0


def test_what_the_config_says_is_in_it_and_the_bundle_runs(package):
    folder, content = package
    assert (content['description'], content['license'], content['authors']) == ('Squares.', 'MIT', [{'name': 'A'}])
    assert content['name'] == 'detector of detplug' and content['config']['detplug']['classes'][1] == 'green'
    assert content['weights']['onnx']['opset_version'] >= 17
    with zipfile.ZipFile(folder / 'package.zip') as package:
        assert set(package.namelist()) == {x.name for x in folder.iterdir()} - {'package.zip', 'manifest.json'}
    assert Detector(folder, device='cpu').names == ('red', 'green', 'blue')


@pytest.mark.parametrize(
    ('card', 'line'),
    [
        (dict(author='x'), r'bioimageio.author: no field; one of name, description'),
        (dict(name='a: b'), 'bioimageio.name: letters, digits'),
        (dict(authors='x'), r'bioimageio.authors: list is wanted'),
    ],
)
def test_a_wrong_card_is_one_line(request_of, tmp_path, card, line):
    with pytest.raises(UserError, match=line):
        formats.export('bioimageio', with_card(request_of(), card), tmp_path / 'out')


@pytest.mark.parametrize('option', [dict(raw=True), dict(dynamic_batch=True)])
def test_options_that_a_package_cannot_have_are_refused(request_of, tmp_path, option):
    with pytest.raises(UserError, match='a package of the zoo holds detections of one image'):
        formats.export('bioimageio', request_of(**option), tmp_path / 'out')
