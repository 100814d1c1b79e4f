"""Configs of mmdet itself through train, test and predict, on drawn images whose categories are in another order."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset

from detplug.cli import predict, test, train
from detplug.cli.config import load_config
from detplug.cli.run import run
from detplug.cli.stock_config import adapt
from detplug.engine.history import read_history, read_validations
from detplug.errors import UserError
from detplug.evaluation.results_file import load_results

SIDE, IMAGES = 64, 8
CLASSES = CocoDataset.METAINFO['classes']
PYRAMID = [
    'model.backbone.init_cfg=None',
    'model.backbone.depth=18',
    'model.backbone.base_channels=16',
    'model.neck.in_channels=[16,32,64,128]',
]
ROI = [
    'model.roi_head.bbox_head.fc_out_channels=16',
    'model.train_cfg.rpn_proposal.max_per_img=50',
    'model.train_cfg.rcnn.sampler.num=16',
    'model.test_cfg.rpn.max_per_img=50',
]
RESIZED = [f'{split}_dataloader.dataset.pipeline.{place}.scale=(96,64)' for split, place in
           (('train', 2), ('val', 1), ('test', 1))]  # fmt: skip
RTMDET = [
    'model.backbone.init_cfg=None',
    'model.backbone.widen_factor=0.125',
    'model.neck.in_channels=[32,64,128]',
    'model.neck.out_channels=32',
    'model.bbox_head.in_channels=32',
    'model.bbox_head.feat_channels=32',
    *(f'train_dataloader.dataset.pipeline.{place}' for place in ('2.img_scale=(64,64)', '3.scale=(128,128)',
      '4.crop_size=(64,64)', '7.size=(64,64)', '8.img_scale=(64,64)')),
    *(f'{split}_dataloader.dataset.pipeline.{place}=(64,64)' for split in ('val', 'test')
      for place in ('1.scale', '2.size')),
]  # fmt: skip
YOLOX = [
    'model.backbone.widen_factor=0.125',
    'model.neck.in_channels=[32,64,128]',
    'model.neck.out_channels=32',
    'model.bbox_head.in_channels=32',
    'model.bbox_head.feat_channels=32',
    'model.data_preprocessor.batch_augments.0.random_size_range=(64,96)',
    'train_dataloader.dataset.pipeline.0.img_scale=(64,64)',
    'train_dataloader.dataset.pipeline.4.scale=(64,64)',
    'val_dataloader.dataset.pipeline.1.scale=(64,64)',
    'test_dataloader.dataset.pipeline.1.scale=(64,64)',
]
CONFIGS = {
    'rtmdet/rtmdet_tiny_8xb32-300e_coco.py': RTMDET,
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py': PYRAMID + ROI + RESIZED,
    'retinanet/retinanet_r18_fpn_1x_coco.py': PYRAMID + RESIZED,
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py': PYRAMID + RESIZED,
    'yolox/yolox_tiny_8xb8-300e_coco.py': YOLOX,
}


@pytest.fixture(scope='module')
def coco(tmp_path_factory) -> Path:
    """A folder in COCO's layout: two rectangles an image, all 80 categories, the last one first."""
    folder, rng = tmp_path_factory.mktemp('coco'), np.random.default_rng(0)
    (folder / 'annotations').mkdir()
    for split in ('train2017', 'val2017'):
        (folder / split).mkdir()
        images, boxes = [], []
        for number in range(1, IMAGES + 1):
            picture = np.full((SIDE, SIDE + 32, 3), 90, np.uint8)
            for x, y in ((4, 6), (52, 20)):
                picture[y : y + 34, x : x + 30] = rng.integers(0, 255, 3)
                polygon = [x, y, x + 30, y, x + 30, y + 34, x, y + 34]
                boxes.append(
                    dict(
                        id=len(boxes) + 1, image_id=number, category_id=901 + int(rng.integers(2)), area=1020,
                        bbox=[x, y, 30, 34], iscrowd=0, segmentation=[polygon],
                    )
                )  # fmt: skip
            cv2.imwrite(str(folder / split / f'{number}.png'), picture)
            images.append(dict(id=number, file_name=f'{number}.png', width=SIDE + 32, height=SIDE))
        categories = [dict(id=901 + i, name=name) for i, name in reversed(list(enumerate(CLASSES)))]
        text = json.dumps(dict(images=images, annotations=boxes, categories=categories))
        (folder / 'annotations' / f'instances_{split}.json').write_text(text)
    return folder


def options(name: str, folder: Path, *more: str) -> list[str]:
    return ['--cfg-options', f'data_root={folder}', *CONFIGS[name], *more]


@pytest.mark.parametrize('name', list(CONFIGS)[:1], ids=lambda name: name.partition('/')[0])
def test_the_command_line(name, coco, tmp_path, capsys):
    argv = [f'mmdet::{name}', '--work-dir', str(tmp_path), '--smoke', *options(name, coco)]
    assert run(train.main, argv) == 0
    folder = tmp_path / 'smoke'
    files = {path.name for path in folder.iterdir()}
    assert {'iter_2.pth', 'last.pth', 'best.pth', 'metrics.json', 'history.jsonl', 'report.html'} <= files
    shown = capsys.readouterr().out
    for words in (
        'CocoDataset -> CheckedCocoDataset: labels by name',
        'EpochBasedTrainLoop -> ResumableEpochLoop',
        'CocoMetric -> CheckedCocoMetric',
        'CheckpointHook -> AtomicCheckpointHook',
        ': 2 images a step; 2 steps = 0.5 epochs of 8 images',
    ):
        assert words in shown
    if name.startswith('rtmdet'):
        metrics = json.loads((folder / 'metrics.json').read_text())
        assert metrics['step'] == 2 and metrics['coco/bbox_mAP'] == pytest.approx(metrics['map'], abs=6e-4)
        check_test_and_predict(name, coco, folder)


@pytest.mark.parametrize('name', list(CONFIGS)[1:], ids=lambda name: name.partition('/')[0])
def test_it_trains_and_validates(name, coco, tmp_path):
    config = load_config(f'mmdet::{name}', options(name, coco)[1:])
    train.make_smoke(config)
    config.update(work_dir=str(tmp_path), launcher='none', resume=False, randomness=dict(seed=0))
    config.custom_hooks = [hook for hook in config.custom_hooks if hook['type'] != 'ReportHook']  # seconds of pictures
    metrics = train.train(config)
    assert metrics['step'] == 2 and metrics['coco/bbox_mAP'] == pytest.approx(metrics['map'], abs=6e-4)
    assert all(row['loss'] is not None for row in read_history(tmp_path / 'history.jsonl') if 'loss' in row)


def test_patience_of_a_config_that_counts_in_epochs(coco, tmp_path, capsys):
    """Nothing is learned, so that no validation is better than the first."""
    name = 'retinanet/retinanet_r18_fpn_1x_coco.py'
    short = ['train_cfg.max_epochs=9', 'train_dataloader.batch_size=8', 'model.test_cfg.nms_pre=10']
    for split in ('train', 'val'):
        short += [f'{split}_dataloader.num_workers=0', f'{split}_dataloader.persistent_workers=False']
    frozen = ['optim_wrapper.optimizer.lr=0', 'custom_hooks=[]']
    argv = [f'mmdet::{name}', '--work-dir', str(tmp_path), '--patience', '1', *options(name, coco, *short, *frozen)]
    assert run(train.main, argv) == 0
    assert 'step 2: 1 validations without a better map; the training ends here' in capsys.readouterr().out
    assert [row['step'] for row in read_validations(tmp_path / 'history.jsonl')] == [1, 2]


def check_test_and_predict(name: str, coco: Path, folder: Path) -> None:
    common = [f'mmdet::{name}', str(folder / 'last.pth')]
    argv = [*common, '--work-dir', str(folder / 'test'), '--results', str(folder / 'images.npz'), *options(name, coco)]
    assert run(test.main, argv) == 0
    assert {'map', 'coco/bbox_mAP'} <= json.loads((folder / 'test' / 'metrics_test.json').read_text()).keys()
    images, classes = load_results(folder / 'images.npz')
    assert len(images) == IMAGES and classes == CLASSES
    assert {classes[label] for image in images for label in image.gt_labels} == {'person', 'bicycle'}
    argv = [*common, str(coco / 'val2017'), '--out', str(folder / 'out'), '--score-thr', '0', *options(name, coco)]
    assert run(predict.main, argv) == 0
    rows = json.loads((folder / 'out' / 'predictions.json').read_text())
    assert rows and {row['category_name'] for row in rows} <= set(CLASSES)


def test_a_config_that_was_fitted_and_dumped_is_left_alone():
    config = load_config('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py')
    again = type(config).fromstring(config.pretty_text, '.py')
    assert again.to_dict() == config.to_dict() and adapt(again) == []
    assert again.to_dict() == config.to_dict()


def test_a_class_that_the_file_does_not_have_is_one_line(coco, tmp_path, capsys):
    path = coco / 'annotations' / 'instances_val2017.json'
    data = json.loads(path.read_text())
    data['categories'][-1]['name'] = 'persn'
    (tmp_path / 'wrong.json').write_text(json.dumps(data))
    name = 'retinanet/retinanet_r18_fpn_1x_coco.py'
    wrong = f'train_dataloader.dataset.ann_file={tmp_path}/wrong.json'
    argv = [f'mmdet::{name}', '--work-dir', str(tmp_path / 'w'), '--smoke', *options(name, coco, wrong)]
    assert run(train.main, argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and 'wrong.json' in lines[0] and "'person' (did you mean 'persn'?)" in lines[0]


def test_a_head_with_another_number_of_classes_is_one_line(tmp_path):
    path = tmp_path / 'user.py'
    data = "dict(dataset=dict(metainfo=dict(classes=('cat', 'dog'))))"
    base = "_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'"
    path.write_text(f'{base}\ntrain_dataloader = val_dataloader = test_dataloader = {data}\n')
    with pytest.raises(UserError, match=r'model.bbox_head.num_classes: 80, but the data have 2 classes \(cat, dog\)'):
        load_config(path)
    assert load_config(path, ['model.bbox_head.num_classes=2']).test_dataloader.dataset.metainfo.classes == (
        'cat',
        'dog',
    )


@pytest.mark.parametrize(
    ('text', 'argv', 'words'),
    [
        ("_base_ = 'mmdet::{name}'\ntest_dataloader = None\n", [], 'test_dataloader: missing; give --split val'),
        ("_base_ = 'mmdet::{name}'\nval_evaluator = None\n", ['--split', 'val'], 'val_evaluator: missing'),
    ],
)
def test_a_split_that_the_config_lacks_is_one_line(text, argv, words, tmp_path, capsys):
    path = tmp_path / 'user.py'
    path.write_text(text.format(name='retinanet/retinanet_r18_fpn_1x_coco.py'))
    assert run(test.main, [str(path), 'gone.pth', *argv]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and words in lines[0]


@pytest.mark.parametrize(
    ('argv', 'words'),
    [(['--seed', '-1'], '--seed -1: not a whole number'), (['--amp', 'float16'], 'float16: needs a GPU')],
)
def test_wrong_options_of_train_are_one_line(argv, words, tmp_path, capsys):
    assert run(train.main, ['detplug::yolov5/yolov5n_bccd.py', '--work-dir', str(tmp_path), *argv]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and words in lines[0]


@pytest.mark.parametrize('name', ['yolov5/yolov5n_bccd', 'openset/yolov5n_parasite-samples', 'sabra/sabra_vrd_boxes'])
def test_a_config_of_ours_stays_as_it_is(name, capsys):
    config = load_config(f'detplug::{name}.py')
    assert adapt(config) == [] and capsys.readouterr().out == ''
