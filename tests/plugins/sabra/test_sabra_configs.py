"""A battery over every config of a relation detector: it builds, learns and predicts, also with nothing to learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData

from detplug.cli.config import load_config
from detplug.cli.detector import config_classes, config_names
from detplug.engine.published_weights import cached_path, url_of
from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError

with quiet_imports():
    from mmdet.registry import MODELS, TRANSFORMS
    from mmdet.structures import DetDataSample

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted(path.relative_to(ROOT) for path in ROOT.glob('configs/sabra/*.py'))
SIDE = 64  # px


@pytest.fixture(scope='module', params=CONFIGS, ids=lambda path: path.stem)
def config(request):
    return load_config(ROOT / request.param)


@pytest.fixture(scope='module')
def published(config, tmp_path_factory):
    """State dict of the weights that the config names, whose file lies where a download would put it; None without."""
    init = config.model.get('detector', {}).get('backbone', {}).get('init_cfg')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, '_hub_dir', str(tmp_path_factory.mktemp('hub')))
        if init is None:
            yield None
            return
        state = MODELS.build(dict(config.model.detector.backbone, init_cfg=None)).state_dict()
        state = {
            name: torch.full_like(value[:1], 0.01).expand_as(value) for name, value in state.items() if value.dim()
        }
        path = cached_path(url_of(init.checkpoint))
        path.parent.mkdir(parents=True)
        torch.save(state, path)
        yield state


@pytest.fixture(scope='module')
def model(config, published):
    torch.manual_seed(0)
    built = MODELS.build(config.model)
    built.init_weights()
    return built


def test_the_weights_that_it_names_are_loaded(model, config, published):
    if published is None:
        assert 'torchvision://' not in config.pretty_text and 'https://' not in config.pretty_text
        return
    found = model.detector.backbone.state_dict()
    assert len(published) > 200 and all(torch.equal(found[name], value) for name, value in published.items())


def batch(config, objects: int, relations: int) -> dict:
    """Two images with ``objects`` boxes and up to ``relations`` relations each; the first box is a person."""
    classes, predicates = (len(config_names(config, field)) for field in ('classes', 'predicates'))
    person = list(config_classes(config)).index('person')
    samples, generator = [], torch.Generator().manual_seed(0)
    for number in range(2):
        meta = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0), img_id=number)
        sample = DetDataSample(metainfo=meta)
        corner = torch.rand(objects, 2, generator=generator) * SIDE / 2
        boxes = torch.cat([corner, corner + 8 + torch.rand(objects, 2, generator=generator) * 20], 1)
        labels = torch.randint(classes, (objects,), generator=generator)
        labels[:2] = person
        rows = torch.randint(max(objects, 1), (relations, 3), generator=generator)
        rows[:, 0], rows[:, 1] = rows[:, 0] % 2, 2 + rows[:, 1] % max(objects - 2, 1)
        rows[:, 2] = torch.randint(predicates, (relations,), generator=generator)
        if config.model.head.get('intransitive'):
            rows[:1, 1] = -1
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, annotated=torch.ones(objects, dtype=torch.bool))
        sample.gt_relations = InstanceData(triplets=rows if objects else rows[:0])
        if 'detector' not in config.model:
            sample.proposals = InstanceData(bboxes=boxes, labels=labels, scores=torch.ones(objects))
        samples.append(sample)
    if 'detector' not in config.model:
        return dict(inputs=[torch.zeros(0)] * 2, data_samples=samples)
    images = torch.randint(256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    return dict(inputs=list(images), data_samples=samples)


def total_loss(model, config, objects: int, relations: int) -> torch.Tensor:
    data = model.data_preprocessor(batch(config, objects, relations), training=True)
    return model.parse_losses(model(**data, mode='loss'))[0]


def test_names_of_data_and_model_agree(config):
    head = config.model.head
    classes, predicates = (config_names(config, field) for field in ('classes', 'predicates'))
    assert len(set(classes)) == len(classes) == len(head.object_kinds)
    assert len(set(predicates)) == len(predicates) == head.predicates
    for label in head.get('subject_labels', []):
        assert classes[label] == 'person'
    if 'detector' in config.model:
        detector = config.model.detector
        own = detector.get('bbox_head') or detector.roi_head.bbox_head
        assert own.num_classes == len(classes)


def test_its_transforms_exist(config):
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        dataset = loader.dataset
        while True:
            for part in [dataset, *dataset.get('datasets', [])]:
                for step in part.get('pipeline', []):
                    assert TRANSFORMS.get(step.type), step.type
            if 'dataset' not in dataset:
                break
            dataset = dataset.dataset


def test_no_checkpoint_is_chosen_on_the_test_set(config):
    chosen, tested = (config[f'{split}_dataloader'].dataset for split in ('val', 'test'))
    assert (chosen.ann_file, chosen.get('images_key')) != (tested.ann_file, tested.get('images_key'))
    trained = config.train_dataloader.dataset
    while 'dataset' in trained:
        trained = trained.dataset
    for part in trained.get('datasets', [trained]):
        same = part.ann_file == chosen.ann_file
        assert not same or part.images_key != chosen.images_key


def test_a_detector_that_starts_from_coco_learns_slower_than_the_head(model, config):
    if config.get('auto_scale_lr') is None:
        assert config.model.get('frozen', True) or config.get('load_from') is None
        return
    assert config.load_from and config.optim_wrapper.optimizer.lr <= 1e-4
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
    detector, head = ({rates[id(p)] for p in part.parameters() if p.requires_grad}
                      for part in (model.detector, model.relation_head))  # fmt: skip
    assert head == {1e-4} and max(detector) == pytest.approx(1e-5) and len(detector) == 1
    images = 36118 if 'hico' in config.filename else 3500
    assert config.max_iters * config.train_dataloader.batch_size == 20 * images


def test_a_portrait_turns_the_scale(config, tmp_path):
    steps = config.test_dataloader.dataset.pipeline
    resize = [step for step in steps if step['type'] == 'Resize']
    if not resize:
        assert 'faster-rcnn' not in config.filename
        return
    image = np.zeros((640, 480, 3), np.uint8)
    trained = config.train_dataloader.dataset.dataset.pipeline
    assert resize[0] in trained
    wide, high = resize[0]['scale']
    for picture in (image, image.transpose(1, 0, 2)):
        found = TRANSFORMS.build(resize[0]).transform(dict(img=picture))['img'].shape[:2]
        assert min(found) == high or max(found) == wide
        assert sorted(found) == pytest.approx([480 * min(found) / 480, 640 * min(found) / 480], abs=1)
    assert min(found) == high


def test_loss_reaches_every_trainable_parameter(model, config):
    model.train().zero_grad()
    loss = total_loss(model, config, objects=6, relations=5)
    assert torch.isfinite(loss)
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    frozen = [p for p in model.parameters() if not p.requires_grad]
    assert all(p.grad is None for p in frozen)


@pytest.mark.parametrize(('objects', 'relations'), [(0, 0), (3, 0), (1, 0)], ids=['empty', 'no relation', 'one box'])
def test_images_with_nothing_to_learn_give_a_finite_loss(model, config, objects, relations):
    model.train().zero_grad()
    loss = total_loss(model, config, objects, relations)
    loss.backward()
    assert torch.isfinite(loss)


def test_predictions_have_the_documented_fields(model, config):
    model.eval()
    with torch.inference_mode():
        results = model.test_step(batch(config, 4, 0))
    for result in results:
        boxes, found = result.pred_instances, result.pred_relations
        assert len(found.boxes) == len(boxes) <= config.model.max_boxes
        assert found.triplets.shape == (len(found.triplet_scores), 3)
        assert (found.triplet_scores[1:] <= found.triplet_scores[:-1]).all()
        assert (found.triplets[:, 2] < config.model.head.predicates).all()


def test_state_dict_round_trip(model, config):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    other = MODELS.build(config.model)
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())


def test_raw_outputs_are_the_detectors(config, model):
    data = model.data_preprocessor(batch(config, 3, 1), training=False)
    if 'detector' not in config.model:
        with pytest.raises(UserError, match='give it a detector'):
            model(**data, mode='tensor')
        return
    model.eval()
    with torch.no_grad():
        found, wanted = (part(**data, mode='tensor') for part in (model, model.detector))
    torch.testing.assert_close(found, wanted)
