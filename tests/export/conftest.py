"""A toy one-stage detector, a tiny data set of drawn images, and the bundles made from both (exported once)."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.ops import nms
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

import detplug.register  # noqa: F401
from detplug.export import onnx_format, onnx_int8  # noqa: F401
from detplug.export.formats import ExportRequest, export

CLASSES = ('red', 'green', 'blue')
SIDE = 64
ANCHORS = torch.tensor([[[12.0, 14.0], [20.0, 16.0]], [[30.0, 34.0], [44.0, 40.0]]])
STRIDES = (8, 16)
META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_offset')


class ToyHead(nn.Module):
    """Two levels, two anchors; decodes as the rule ``anchor_grid`` says, in torch."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(12, 2 * (5 + len(CLASSES)), 1) for _ in STRIDES)
        self.test_cfg = dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), max_per_img=40, multi_label=True)

    def raw_predictions(self, feats):
        return tuple(conv(x) for conv, x in zip(self.convs, feats, strict=True))

    def decode_rule(self):
        return dict(type='anchor_grid', anchors=ANCHORS.tolist(), strides=list(STRIDES))

    def dense_predictions(self, feats):
        boxes, scores = [], []
        for raw, anchors, stride in zip(self.raw_predictions(feats), ANCHORS, STRIDES, strict=True):
            x = raw.unflatten(1, (2, -1)).permute(0, 1, 3, 4, 2).sigmoid()
            row, column = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing='ij')
            centre = (2 * x[..., :2] - 0.5 + torch.stack([column, row], -1)) * stride
            size = (2 * x[..., 2:4]) ** 2 * anchors[:, None, None]
            boxes.append(torch.cat([centre - size / 2, centre + size / 2], -1).flatten(1, 3))
            scores.append((x[..., 4:5] * x[..., 5:]).flatten(1, 3))
        return torch.cat(boxes, 1), torch.cat(scores, 1)


class ToyDetector(nn.Module):
    """A network with stem, branch and concatenation; NMS is mmcv's, class by class."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = DetDataPreprocessor([0] * 3, [255] * 3, bgr_to_rgb=True, pad_size_divisor=32)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 6, 4, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.down = nn.ModuleList([nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 12, 3, 2, 1)])
        self.mix = nn.Conv2d(24, 12, 1)
        self.bbox_head = ToyHead()
        self.dataset_meta = dict(classes=CLASSES)

    def extract_feat(self, images):
        fine = nn.functional.silu(self.down[0](self.stem(images)))
        coarse = nn.functional.silu(self.down[1](fine))
        up = nn.functional.interpolate(coarse, scale_factor=2.0)
        return nn.functional.silu(self.mix(torch.cat([fine, up], 1))), coarse

    def test_step(self, data):
        data = self.data_preprocessor(data)
        dense = self.bbox_head.dense_predictions(self.extract_feat(data['inputs']))
        for sample, boxes, scores in zip(data['data_samples'], *dense, strict=True):
            sample.pred_instances = self.find(boxes, scores, sample)
        return data['data_samples']

    def find(self, boxes, scores, sample):
        cfg, found = self.bbox_head.test_cfg, []
        for label in range(scores.shape[1]):
            mine = scores[:, label] > cfg['score_thr']
            kept, _ = nms(boxes[mine], scores[mine, label].contiguous(), cfg['nms']['iou_threshold'])
            found.append(torch.cat([kept, torch.full((len(kept), 1), float(label))], 1))
        found = torch.cat(found)
        found = found[found[:, 4].argsort(descending=True)][: cfg['max_per_img']]
        height, width = sample.ori_shape
        boxes = found[:, :4] - torch.tensor(sample.pad_offset).repeat(2)
        boxes = boxes / torch.tensor(sample.scale_factor).repeat(2)
        boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([width, height] * 2))
        return InstanceData(bboxes=boxes, scores=found[:, 4], labels=found[:, 5].long())


@pytest.fixture(scope='session')
def toy() -> ToyDetector:
    """The detector with large seeded weights: its scores differ well from each other."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = ToyDetector()
        for conv in model.bbox_head.convs:
            nn.init.normal_(conv.weight, std=0.8)
        nn.init.uniform_(model.stem[1].running_mean, -0.2, 0.2)
    return model.eval()


@pytest.fixture(scope='session')
def drawn_config(tmp_path_factory) -> Config:
    """A config whose train and val sets are drawn images of several sizes, one of them grey."""
    root, rng = tmp_path_factory.mktemp('drawn'), np.random.default_rng(0)
    for split, count in (('train', 5), ('val', 4)):
        images, annotations = [], []
        for i in range(count):
            height, width = int(rng.integers(40, 150)), int(rng.integers(40, 150))
            picture = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
            label = int(rng.integers(3))
            box = [4, 5, width // 2, height // 2]
            picture[5 : 5 + height // 2, 4 : 4 + width // 2, 2 - label] += 150
            name = f'{split}{i}.png'
            cv2.imwrite(str(root / name), picture[..., 0] if i == 1 else picture)
            images.append(dict(id=i, file_name=name, width=width, height=height))
            annotations.append(dict(id=i, image_id=i, category_id=label, bbox=box, area=box[2] * box[3], iscrowd=0))
        categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
        text = json.dumps(dict(images=images, annotations=annotations, categories=categories))
        (root / f'{split}.json').write_text(text)
    return Config(
        dict(
            model=dict(data_preprocessor=dict(pad_size_divisor=32)),
            train_dataloader=_loader(root, 'train'),
            val_dataloader=_loader(root, 'val'),
            test_dataloader=_loader(root, 'val'),
            val_evaluator=dict(type='BoxAP'),
        ),
        filename=None,
    )


def _loader(root: Path, split: str) -> dict:
    inner = dict(
        type='CheckedCocoDataset',
        data_root=str(root),
        ann_file=f'{split}.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Letterbox', scale=(SIDE, SIDE), centre=True),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=META_KEYS),
        ],
    )
    return dict(dataset=dict(type='SeededDataset', dataset=inner) if split == 'train' else inner)


@pytest.fixture(scope='session')
def request_of(toy, drawn_config):
    """Function ``(**options) -> ExportRequest`` for the toy detector."""
    return lambda **options: ExportRequest(toy, drawn_config, SIDE, **options)


@pytest.fixture(scope='session')
def val_images(drawn_config) -> list[Path]:
    """The drawn validation images."""
    return sorted(Path(drawn_config.val_dataloader.dataset.data_root).glob('val*.png'))


@pytest.fixture(scope='session')
def bundle(request_of, tmp_path_factory):
    """The toy detector as format onnx, with NMS in the graph and a dynamic batch."""
    return export('onnx', request_of(dynamic_batch=True), tmp_path_factory.mktemp('onnx') / 'bundle')


@pytest.fixture(scope='session')
def pipeline_bundle(request_of, tmp_path_factory):
    """The toy detector as format onnx, whose input follows the test pipeline: any height and width."""
    return export('onnx', request_of(as_pipeline=True), tmp_path_factory.mktemp('pipeline') / 'bundle')


@pytest.fixture
def reuse_raw_graph(monkeypatch, raw_bundle):
    """Writing a graph copies that of ``raw_bundle``: tests of refusals need no new one."""

    def copy_graph(model, path, *args):
        shutil.copy(raw_bundle.folder / 'model.onnx', path)
        return raw_bundle.manifest['outputs']['names']

    monkeypatch.setattr(onnx_format, 'write_graph', copy_graph)


@pytest.fixture(scope='session')
def raw_bundle(request_of, tmp_path_factory):
    """The toy detector as format onnx without decoding and NMS."""
    return export('onnx', request_of(raw=True), tmp_path_factory.mktemp('raw') / 'bundle')
