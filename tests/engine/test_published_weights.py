"""Weights by address: found in their lists, cached, read as data; offline is one line with a cure."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from weights_server import serving

from detplug.cli.config import building, path_of
from detplug.engine.checkpoint import load_file
from detplug.engine.published_weights import UnreachableWeights, cached_path, download, url_of
from detplug.errors import UserError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder as torch's."""
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    return tmp_path / 'hub' / 'checkpoints'


@pytest.fixture
def server(tmp_path):
    """Address of a web server of this machine, and the folder that it serves."""
    folder = tmp_path / 'served'
    folder.mkdir()
    with serving(folder) as address:
        yield address, folder


@pytest.mark.parametrize(
    ('address', 'file'),
    [
        ('torchvision://resnet50', 'resnet50-0676ba61.pth'),
        ('modelzoo://resnet50', 'resnet50-0676ba61.pth'),
        ('open-mmlab://detectron2/resnet50_caffe', 'resnet50_msra-5891d200.pth'),
        ('open-mmlab://resnet50_caffe', 'resnet50_caffe-788b5fa3.pth'),
        ('mmdet://rtmdet_tiny_8xb32-300e_coco', 'rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth'),
        ('mmdet://yolox_s_8xb8-300e_coco', 'yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'),
        ('mmcls://vgg16', 'vgg16_batch256_imagenet_20210208-db26f1a5.pth'),
    ],
)
def test_names_are_in_their_lists_and_cached_as_torch_does(address, file, hub):
    url = url_of(address)
    assert url.startswith('https://') and cached_path(url) == hub / file
    hub.mkdir(parents=True)
    torch.save({'backbone.conv.weight': torch.ones(2)}, hub / file)
    found = CheckpointLoader.load_checkpoint(address)
    assert load_file(address).keys() == found.keys()  # as load_from and the commands read it
    state = found.get('state_dict', found)
    assert list(state) == ['conv.weight' if address.startswith('mmcls') else 'backbone.conv.weight']


@pytest.mark.parametrize(
    ('address', 'words'),
    [
        ('torchvision://resnet5', 'did you mean resnet50'),
        ('open-mmlab://resnest5', 'did you mean resnest50'),
        ('mmdet://rtmdet_tiny_8xb32-300e', 'did you mean rtmdet_tiny_8xb32-300e_coco'),
        ('s3://bucket/file.pth', 'this kind of address is not read'),
    ],
)
def test_an_unknown_name_is_one_line(address, words):
    with pytest.raises(UserError, match=words) as error:
        CheckpointLoader.load_checkpoint(address)
    assert '\n' not in str(error.value)


def test_a_file_is_downloaded_once_and_checked(hub, server, capsys):
    address, folder = server
    torch.save(dict(state_dict=dict(a=torch.ones(3))), folder / 'plain.pth')
    url = f'{address}/plain.pth'
    path = download(url)
    assert path.parent == hub and re.fullmatch(r'[0-9a-f]{8}_plain\.pth', path.name)
    (folder / 'plain.pth').unlink()
    assert torch.equal(CheckpointLoader.load_checkpoint(url)['state_dict']['a'], torch.ones(3))
    assert capsys.readouterr().out.count(f'download {url}') == 1
    assert cached_path(f'{address}/other/plain.pth') != path, 'files of one name from two places are two files'

    torch.save(dict(a=torch.ones(3)), folder / 'wrong-0123abcd.pth')
    with pytest.raises(UnreachableWeights, match='SHA-256 of the file begins with .*, not with 0123abcd'):
        download(f'{address}/wrong-0123abcd.pth')
    assert not (hub / 'wrong-0123abcd.pth').exists()


def test_what_cannot_be_had_names_the_file_and_the_option(hub, server):
    url = f'{server[0]}/gone.pth'
    init = dict(type='Pretrained', checkpoint=url)
    config = Config(dict(model=dict(detector=dict(backbone=dict(type='ResNet', init_cfg=init)))))
    with pytest.raises(UserError) as error, building('x.py', config):
        CheckpointLoader.load_checkpoint(url)
    text = str(error.value)
    assert '\n' not in text and url in text and '404' in text and f'put the file at {cached_path(url)}' in text
    assert text.endswith('--cfg-options model.detector.backbone.init_cfg=None')


def test_the_path_of_an_address():
    assert path_of(dict(load_from='a'), 'a') == 'load_from'
    assert path_of(dict(model=[dict(init_cfg=dict(type='Pretrained', checkpoint='a'))]), 'a') == 'model.0.init_cfg'
    assert path_of(dict(model=dict(x=1)), 'a') is None
