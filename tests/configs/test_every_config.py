"""A battery over every config of a plain detector: it builds, learns and predicts, also with nothing to learn.

Others take other batches: semi-supervised detectors (tests/plugins/openset/test_openset_configs.py) and relation
detectors (tests/plugins/sabra/test_sabra_configs.py).
"""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from detplug.cli.config import load_config
from detplug.cli.detector import config_classes

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path.relative_to(ROOT)
    for path in ROOT.glob('configs/[!_]*/*.py')
    if not {'detector', 'head'} & set(Config.fromfile(path, import_custom_modules=False).model)
)
SIDE = 64  # px


@pytest.fixture(scope='module', params=CONFIGS, ids=str)
def config(request):
    config = load_config(ROOT / request.param)
    if config.model.backbone.width > 0.25:  # s to x differ from n in these numbers only; their size has its own test
        config.model.backbone.update(width=0.25, depth=0.33)
        config.model.neck.update(in_channels=[64, 128, 256], depth=0.33)
        config.model.bbox_head.in_channels = [64, 128, 256]
    return config


@pytest.fixture(scope='module')
def model(config):
    torch.manual_seed(0)
    detector = MODELS.build(config.model)
    detector.init_weights()
    return detector


def boxes(count: int, seed: int, classes: int) -> InstanceData:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * SIDE / 2
    sides = 8 + torch.rand(count, 2, generator=generator) * (SIDE / 2 - 8)
    labels = torch.randint(classes, (count,), generator=generator)
    return InstanceData(bboxes=torch.cat([corners, corners + sides], 1), labels=labels)


def batch(learn: int, ignore: int, classes: int) -> dict:
    """Two images with ``learn`` objects and ``ignore`` ignored ones each."""
    samples = []
    for seed in range(2):
        meta = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0), img_id=seed)
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = boxes(learn, seed, classes)
        sample.ignored_instances = boxes(ignore, seed + 10, classes)
        samples.append(sample)
    images = torch.randint(256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return dict(inputs=list(images), data_samples=samples)


def total_loss(model, config, learn: int, ignore: int) -> torch.Tensor:
    data = model.data_preprocessor(batch(learn, ignore, len(config_classes(config))), training=True)
    return model.parse_losses(model(**data, mode='loss'))[0]


def test_classes_of_data_model_and_evaluation_agree(config):
    head = config.model.bbox_head if 'bbox_head' in config.model else config.model.roi_head.bbox_head
    assert head.num_classes == len(config_classes(config)) == len(set(config_classes(config)))
    dataset = config.train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    assert tuple(dataset.metainfo.classes) == config_classes(config)
    per_image = config.model.test_cfg.get('rcnn', config.model.test_cfg).max_per_img
    assert config.test_evaluator.max_dets <= per_image


def test_loss_reaches_every_trainable_parameter(model, config):
    model.train().zero_grad()
    loss = total_loss(model, config, learn=4, ignore=1)
    assert torch.isfinite(loss)
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(('learn', 'ignore'), [(0, 0), (0, 3)], ids=['empty', 'all ignored'])
def test_images_without_objects_give_a_finite_loss(model, config, learn, ignore):
    model.train().zero_grad()
    loss = total_loss(model, config, learn, ignore)
    loss.backward()
    assert torch.isfinite(loss)


def test_predictions_have_the_documented_fields(model, config):
    model.eval()
    with torch.inference_mode():
        results = model.test_step(batch(0, 0, len(config_classes(config))))
    for result in results:
        found = result.pred_instances
        assert found.bboxes.shape == (len(found), 4)
        assert found.scores.shape == found.labels.shape == (len(found),)
        assert found.labels.dtype == torch.int64
        assert ((found.labels >= 0) & (found.labels < len(config_classes(config)))).all()
        assert (found.scores.diff() <= 0).all()


def test_state_dict_round_trip(model, config):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    other = MODELS.build(config.model)
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())
