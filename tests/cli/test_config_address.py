"""Configs by address, on the command line and in _base_; a name that does not exist is one line with near ones."""

import pytest

from detplug.cli.config import load_config
from detplug.cli.config_address import config_path
from detplug.config_files import configs_folder
from detplug.errors import UserError


def test_our_configs_and_those_of_mmdet():
    path = config_path('detplug::yolov5/yolov5n_bccd.py')
    assert path == configs_folder() / 'yolov5' / 'yolov5n_bccd.py'
    assert config_path('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py').read_text().startswith("_base_ = './rtmdet_s")
    assert config_path(path) == path


def test_base_of_a_users_config(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = ['detplug::yolov5/yolov5n_bccd.py']\nload_from = None\n")
    config = load_config(path)
    assert config.model.bbox_head.num_classes == 3 and config.load_from is None
    path.write_text("_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'\nmodel = dict(test_cfg=dict(nms_pre=7))")
    assert load_config(path).model.test_cfg.nms_pre == 7


@pytest.mark.parametrize(
    ('address', 'words'),
    [
        ('detplug::yolov5/yolov5n_bcd.py', 'did you mean detplug::yolov5/yolov5n_bccd.py'),
        ('detplug::yolov5n_bccd.py', 'did you mean detplug::yolov5/yolov5n_bccd.py'),
        ('mmdet::rtmdet/rtmdet_tiny.py', 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'),
        ('detplug::nothing', 'its folders: openset, sabra, tt_yolov5, yolov5'),
        ('detplug::', 'its folders'),
        ('nopackage::a/b.py', "no package 'nopackage' is installed"),
        ('numpy::a/b.py', 'the package numpy brings no configs'),
        ('../numpy::a', "no package '../numpy' is installed"),
        ('configs/nothing.py', 'config not found; give the path of a file, or detplug::'),
    ],
)
def test_a_name_that_does_not_exist_is_one_line(address, words):
    with pytest.raises(UserError) as error:
        load_config(address)
    assert words in str(error.value) and str(error.value).startswith(address) and '\n' not in str(error.value)


def test_a_base_that_does_not_exist_is_one_line(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'detplug::yolov5/yolov5n_bcd.py'\n")
    with pytest.raises(UserError, match='did you mean detplug::yolov5/yolov5n_bccd.py'):
        load_config(path)
