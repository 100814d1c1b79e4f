"""ReportHook inside a real Runner: the report shows the best validation."""

import re
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader, Dataset

from detplug.evaluation.box_ap import BoxAP
from detplug.report.hook import ReportHook, count_labels, name_of

BOX = [8.0, 8.0, 40.0, 40.0]


class Slides(Dataset):
    metainfo = {'classes': ('egg', 'worm')}

    def __init__(self, folder, count=3):
        self.paths = [folder / f'{i}.png' for i in range(count)]
        for path in self.paths:
            cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return {
            'img_path': str(self.paths[index]),
            'img_id': index,
            'instances': [
                {'bbox': BOX, 'bbox_label': 1, 'ignore_flag': 0},
                {'bbox': BOX, 'bbox_label': 0, 'ignore_flag': 1},
            ],
        }

    def __getitem__(self, index):
        sample = DetDataSample(metainfo=self.get_data_info(index) | {'ori_shape': (64, 64)})
        return {'inputs': torch.zeros(3, 64, 64), 'data_samples': sample}


class Shifting(BaseModel):
    """Predicts the truth moved by 3 pixels more at each validation."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.validations = -1

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return {'loss_x': (self.weight**2).sum()}
        if data_samples[0].img_id == 0:
            self.validations += 1
        for sample in data_samples:
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor([BOX]) + 3 * self.validations, labels=torch.tensor([1]), scores=torch.tensor([0.9])
            )
        return data_samples


def loader(dataset, shuffle):
    return DataLoader(dataset, 1, sampler=DefaultSampler(dataset, shuffle=shuffle), collate_fn=pseudo_collate)


@pytest.fixture
def run(tmp_path):
    """Function ``mode -> text of report.html`` after a training or test in ``tmp_path``."""

    def make(mode):
        dataset = Slides(tmp_path)
        part = dict(dataloader=loader(dataset, False), evaluator=Evaluator(BoxAP()))
        parts = dict(test_dataloader=part['dataloader'], test_evaluator=part['evaluator'], test_cfg={})
        if mode == 'train':
            parts = dict(
                train_dataloader=loader(dataset, True),
                val_dataloader=part['dataloader'],
                val_evaluator=part['evaluator'],
                train_cfg=dict(by_epoch=False, max_iters=4, val_interval=2),
                val_cfg={},
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            )
        runner = Runner(
            Shifting(),
            str(tmp_path),
            custom_hooks=[ReportHook(test_split='test_clean')],
            experiment_name=f'{mode}_{tmp_path.name}',
            default_scope='mmengine',
            **parts,
        )
        getattr(runner, mode)()
        return unescape(re.sub(r'<[^>]*>', ' ', (tmp_path / 'report.html').read_text()))

    return make


def test_after_training_the_best_validation_is_shown(run):
    text = run('train')
    assert 'Figures on the val split' in text
    assert re.search(r'1\.000\s+mAP ', text)  # the first of two validations
    assert re.search(r'figures and pictures of step\s+2\s', text)


def test_after_a_test_its_split_is_shown(run):
    assert 'Figures on the test_clean split' in run('test')


def test_labels_are_counted_through_wrappers_without_ignored_ones(tmp_path):
    slides = Slides(tmp_path)
    wrapped = torch.utils.data.ConcatDataset([slides, torch.utils.data.Subset(slides, [0])])
    assert count_labels(wrapped, ('egg', 'worm')) == {'egg': 0, 'worm': 6}


def test_a_report_has_the_name_of_the_config_or_of_its_folder():
    assert name_of(Path('configs/yolov5/yolov5n_bccd.py')) == 'yolov5n_bccd'
    assert name_of(Path('work_dirs/screws-yolov5n/config.py')) == 'screws-yolov5n'
