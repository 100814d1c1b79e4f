"""Every semi-supervised config: classes agree, it trains a step, predicts, and its parts name existing images."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from tiny_open_set import SIDE, batch, build_detector, config, write_set

from detplug.cli.config import load_config
from detplug.cli.detector import config_classes
from detplug.compression.compressors import CompressRequest
from detplug.engine.non_finite_guard import loss_terms
from detplug.errors import UserError
from detplug.export.images import split_items
from plugins.tensor_train.compressor import compress_detector

ROOT = Path(__file__).resolve().parents[3]
OTHERS = ('soft-teacher_malaria.py', 'yolov5n_malaria_supervised-cce.py')
CONFIGS = sorted(x.relative_to(ROOT) for x in ROOT.glob('configs/openset/**/*.py') if x.name not in OTHERS)
TASKS = sorted(x.stem for x in ROOT.glob('configs/openset/tasks/*.py'))
IMAGES = {'malaria': (29, 135), 'bccd7': (38, 167)}  # labelled, unlabelled


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_it_trains_and_predicts(path):
    config = load_config(ROOT / path, ['model.burn_in=0'])
    names = config_classes(config)
    head = config.model.detector.get('bbox_head') or config.model.detector.roi_head.bbox_head
    assert config.model.classes == len(names) and head.num_classes == len(names) + 1
    assert config.test_evaluator.type == 'OpenSetMetric'
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    inputs, samples = batch()
    losses = model.train().loss(inputs, samples)
    terms = {name: value for name, value in loss_terms(losses)}
    total = sum(value.sum() for value in terms.values())
    total.backward()
    assert total.isfinite() and {name.partition('_')[0] for name in terms} == {'sup', 'unsup'}
    without = [name for name, p in model.student.named_parameters() if p.grad is None]
    assert not without and model.embedding is not None and model.ood is not None
    detections = model.eval().predict(torch.rand(1, 3, SIDE, SIDE), samples['sup'][:1])[0].pred_instances
    assert (
        detections.bboxes.shape == (len(detections), 4)
        and ((detections.labels >= 0) & (detections.labels <= len(names))).all()
    )


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_no_class_takes_the_room_of_another(path):
    """As many detections of each class as the metric takes; a head without such a limit is given no other either."""
    config = load_config(ROOT / path)
    detector, teacher, classes = config.model.detector, config.model.teacher_cfg, config.model.classes + 1
    limits = detector.test_cfg.get('rcnn', detector.test_cfg)
    per_class = 500 if 'rpn' in detector.test_cfg else 300
    if per_class == 500:
        assert detector.test_cfg.rpn.max_per_img == 500
    else:
        assert limits.max_per_class == teacher.max_per_class == 300 >= config.test_evaluator.max_dets
    assert limits.max_per_img == teacher.max_per_img == per_class * classes
    assert limits.nms == teacher.nms
    if 'malaria' in path.name:
        assert limits.nms.iou_threshold == 0.5


@pytest.mark.parametrize('name', TASKS)
def test_the_splits_of_the_tasks(name, real_data, monkeypatch):
    """Nothing unknown is labelled, every known class is, no slide is in both parts, and both test splits have it."""
    if not name.startswith('parasite-samples'):
        root = real_data('bccd' if name.startswith('bccd7') else 'malaria').parent
        monkeypatch.setenv('DETPLUG_DATA', str(root))
    config = load_config(ROOT / f'configs/openset/tasks/{name}.py')
    split = json.loads((ROOT / f'configs/openset/tasks/splits/{name}.json').read_text())
    unknown = config.test_dataloader.dataset.unknown_classes
    assert tuple(split['unknown']) == tuple(unknown) and set(name.partition('_')[2].split('-')) == set(unknown)
    assert not set(split['labelled']) & set(split['unlabelled'])
    if name.startswith('parasite-samples'):
        return  # the pictures are generated, so they are not here
    two = DATASETS.build(config.train_dataloader.dataset).dataset
    labelled, unlabelled = ([part.get_data_info(i) for i in range(len(part))] for part in two.parts)
    assert not any(item['unknown_instances'] for item in labelled)
    assert sum(len(item['unknown_instances']) for item in unlabelled) >= 20
    taught = {x['bbox_label'] for item in labelled for x in item['instances'] if not x['ignore_flag']}
    assert taught == set(range(config.model.classes))
    if name.startswith('malaria'):
        blocks = [{(int(Path(x['img_path']).stem[2:]) - 171690) // 15 for x in part} for part in (labelled, unlabelled)]
        assert not blocks[0] & blocks[1]
    for loader in ('val_dataloader', 'test_dataloader'):
        data = DATASETS.build(config[loader].dataset)
        assert any(data.get_data_info(i)['unknown_instances'] for i in range(len(data)))


@pytest.mark.parametrize('name', IMAGES)
def test_the_given_splits(name, real_data, monkeypatch):
    root = real_data('bccd' if name == 'bccd7' else name).parent
    monkeypatch.setenv('DETPLUG_DATA', str(root))
    config = load_config(ROOT / f'configs/openset/yolov5n_{name}.py')
    two = DATASETS.build(config.train_dataloader.dataset).dataset
    assert tuple(two.sizes) == IMAGES[name]
    labelled, unlabelled = two.parts
    assert not any(labelled.dataset.get_data_info(i)['unknown_instances'] for i in range(two.sizes[0]))
    assert any(unlabelled.get_data_info(i)['unknown_instances'] for i in range(two.sizes[1]))
    first, second = two[0], two[two.sizes[0]]
    assert first['inputs']['sup'].shape[0] == 3 and first['inputs']['unsup_student'] is None
    weak, strong = (second['data_samples'][f'unsup_{name}'] for name in ('teacher', 'student'))
    assert weak.img_id == strong.img_id and not len(weak.gt_instances)  # hidden labels are no targets


def test_calibration_sees_the_labelled_images_alone(tmp_path):
    write_set(tmp_path)
    items = split_items(config(tmp_path), 'train')
    assert [Path(x['img_path']).name for x in items] == [f'{i}.png' for i in range(0, 12, 2)]
    assert all(x['instances'] for x in items)


def test_compression_of_a_student_and_teacher_is_refused_with_the_cure(tmp_path):
    write_set(tmp_path)
    request = CompressRequest(build_detector(), config(tmp_path), tmp_path / 'x.pth', 0.5)
    with pytest.raises(UserError, match="OpenSetDetector is a student and a teacher; .*type='TTCompressed'"):
        compress_detector(request, tmp_path)
