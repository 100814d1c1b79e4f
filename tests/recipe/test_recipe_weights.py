"""``--weights`` of a recipe: a file, an address, or what mmdet published for the model."""

import pytest

from detplug.engine.published_weights import url_of
from detplug.errors import UserError
from detplug.recipe.models import find_model, recipe_models
from detplug.recipe.weights import start_of


@pytest.mark.parametrize('name', [name for name, model in recipe_models().items() if model.config.startswith('mmdet')])
def test_mmdet_published_weights_for_each_of_its_models(name):
    address = start_of('coco', find_model(name), name)
    assert address.startswith('mmdet://') and url_of(address).startswith('https://')


def test_a_file_is_named_whole_and_an_address_as_it_is(tmp_path, monkeypatch):
    model = find_model('yolov5n')
    (tmp_path / 'a.pth').touch()
    monkeypatch.chdir(tmp_path)
    assert start_of('a.pth', model, 'yolov5n') == str(tmp_path / 'a.pth')
    assert start_of('https://x.org/a.pth', model, 'yolov5n') == 'https://x.org/a.pth'
    assert start_of(None, model, 'yolov5n') is None
    (tmp_path / 'coco').touch()  # a file of that name goes first
    assert start_of('coco', model, 'yolov5n') == str(tmp_path / 'coco')


@pytest.mark.parametrize(
    ('weights', 'line'),
    [
        ('gone.pth', '--weights: no such file'),
        ('coco', '--weights coco: none of yolov5n are published'),
    ],
)
def test_what_is_not_there_is_one_line(tmp_path, monkeypatch, weights, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line):
        start_of(weights, find_model('yolov5n'), 'yolov5n')
