"""A relation head that is given boxes, as a bundle: what torch says, for a file of boxes, and what does not do."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from detplug.cli.main import main
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmengine.structures import InstanceData

    import plugins.sabra.register  # noqa: F401
from detplug.errors import UserError
from detplug.export.formats import ExportRequest, export
from detplug.runtime.bundle import MODEL, Detector
from plugins.sabra import boxes_format
from plugins.sabra.boxes_engine import BoxesRelations
from plugins.sabra.detections import ImageDetections
from plugins.sabra.relation_field import NO_OBJECT, Relations

CLASSES, PREDICATES, SIZE = ('person', 'cup', 'dog'), ('hold', 'walk'), (64, 48)
CSV = """image,class,score,x1,y1,x2,y2
a.png,person,0.9,2,3,30,40
a.png,cup,0.8,20,20,34,36
a.png,dog,0.01,0,0,5,5
b.png,,,,,,
"""


def build(**options) -> torch.nn.Module:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    head = dict(type='RelationHead', predicates=2, object_kinds=[0, 1, 1], subject_labels=[0], intransitive=True,
                graph=dict(dims=16, heads=2, class_width=4), dims=16, class_width=4, power=2.8,
                sampler=dict(type='UniformSampler'))  # fmt: skip
    model = MODELS.build(dict(type='RelationDetector', max_boxes=6, head=head, **options)).eval()
    with torch.no_grad():
        model.relation_head.to_predicates.weight.normal_(0, 2)
        model.relation_head.to_interactive.bias.fill_(3)
        model.relation_head.to_intransitive.bias.fill_(3)
    model.dataset_meta = dict(classes=CLASSES, predicates=PREDICATES)
    return model


def request(model, **options) -> ExportRequest:
    boxes = dict(type='FileProposals', file='boxes.csv', rename={'mug': 'cup'})
    config = Config(dict(test_dataloader=dict(dataset=dict(pipeline=[boxes, dict(type='PackRelations')]))))
    return ExportRequest(model, config, 0, **options)


@pytest.fixture(scope='module')
def bundle(tmp_path_factory) -> tuple[torch.nn.Module, Path]:
    model = build()
    return model, export('onnx-boxes', request(model), tmp_path_factory.mktemp('boxes') / 'bundle').folder


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """``a.png`` and ``b.png`` in a folder, and boxes.csv beside it, where the working folder is."""
    monkeypatch.chdir(tmp_path)
    Path('pictures').mkdir()
    for name in ('a.png', 'b.png'):
        cv2.imwrite(f'pictures/{name}', np.full((*SIZE[::-1], 3), 90, np.uint8))
    Path('boxes.csv').write_text(CSV)
    return tmp_path / 'pictures'


@pytest.mark.parametrize('number', [0, 1, 2, 5, 6, 40])
def test_it_is_torch_for_any_number_of_boxes_in_any_order(bundle, number):
    model, folder = bundle
    random = np.random.default_rng(number)
    first = random.uniform(-10, 40, (number, 2))
    boxes = np.concatenate([first, first + random.uniform(0, 40, (number, 2))], 1).astype(np.float32)
    labels, scores = random.integers(0, 3, number), random.uniform(0, 1, number).astype(np.float32)
    given = InstanceData(bboxes=torch.tensor(boxes), labels=torch.tensor(labels), scores=torch.tensor(scores))
    meta = dict(img_shape=SIZE[::-1], ori_shape=SIZE[::-1], scale_factor=(1.0, 1.0))
    with torch.inference_mode():
        sample = model.predict(torch.zeros(1), [DetDataSample(metainfo=meta, proposals=given)])[0]
    there = sample.pred_instances.numpy()
    found = BoxesRelations(folder, 'cpu').relate(ImageDetections(boxes, labels, scores), SIZE)
    for ours, theirs in ((found.boxes, there.bboxes), (found.scores, there.scores), (found.labels, there.labels)):
        np.testing.assert_array_equal(ours, theirs)
    expected = Relations(sample.pred_relations.triplets, sample.pred_relations.triplet_scores, PREDICATES)
    relations = found.fields['relations']
    np.testing.assert_allclose(relations.dense(len(found)), expected.dense(len(found)), atol=1e-6)
    assert len(found) == min(number, 6) or number > 2
    assert number < 5 or {NO_OBJECT} < set(relations.triplets[:, 1].tolist()), 'pairs and actions without object'


def test_an_export_that_is_not_torch_is_refused(bundle, tmp_path, monkeypatch):
    other = build()
    other.relation_head.to_predicates.bias.data += 1
    monkeypatch.setattr(boxes_format, 'write_boxes_graph', lambda _, path, __: shutil.copy(bundle[1] / MODEL, path))
    with pytest.raises(UserError, match='differs from the torch model'):
        export('onnx-boxes', request(other), tmp_path / 'bundle')
    assert not (tmp_path / 'bundle').exists()
    assert export('onnx-boxes', request(build()), tmp_path / 'bundle').manifest['errors']['unmatched'] == 0


def test_a_file_of_boxes_becomes_relations(bundle, pictures, capsys):
    words = ['predict', str(bundle[1]), 'pictures', '--boxes', 'boxes.csv']
    assert main([*words, '--out', 'out', '--relation-thr', '0']) == 0
    boxes, relations = (json.loads(Path(f'out/{name}.json').read_text()) for name in ('predictions', 'relations'))
    assert [(x['category_name'], x['bbox']) for x in boxes] == [
        ('person', [2.0, 3.0, 28.0, 37.0]), ('cup', [20.0, 20.0, 14.0, 16.0]),
    ]  # fmt: skip
    ends = {(x['subject'], x['object']) for x in relations}
    assert ends == {(0, 1), (0, None)} and {x['predicate'] for x in relations} == set(PREDICATES)
    assert {x.name for x in Path('out/pictures').iterdir()} == {'0001_a.jpg', '0002_b.jpg'}
    assert (cv2.imread('out/pictures/0001_a.jpg').astype(int) - 90).max() > 100, 'drawn'
    Path('boxes.csv').write_text(CSV.replace('cup', 'mug'))  # as the config renames it
    assert main([*words, '--out', 'again']) == 0
    assert json.loads(Path('again/predictions.json').read_text()) == boxes
    assert 'relations: again/relations.json' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'is given boxes, it finds none; add --boxes FILE'),
        (['--boxes', 'nowhere.csv'], 'nowhere.csv: not found'),
        (['--boxes', 'other.csv'], 'other.csv: class: horse is no class of the data (person, cup, dog)'),
        (['--boxes', 'boxes.csv', '--batch', '2'], '--batch 2'),
        (['--boxes', 'boxes.csv', '--tile', '32'], 'leave --tile out'),
        (['--boxes', 'boxes.csv', '--cfg-options', 'a=1'], 'is a bundle, which has no config'),
    ],
)
def test_what_does_not_do_is_one_line_and_nothing_is_written(bundle, pictures, capsys, words, message):
    Path('other.csv').write_text(CSV.replace('dog', 'horse'))
    assert main(['predict', str(bundle[1]), 'pictures', '--out', 'out', *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0] and not Path('out').exists()


def test_it_is_no_detector_of_pictures(bundle):
    with pytest.raises(UserError, match=r'its input is boxes, no pictures alone; run it by detplug predict'):
        Detector(bundle[1])


def test_a_kind_of_input_that_no_plugin_runs_is_named(bundle, pictures, capsys):
    other = Path('bundle')
    other.mkdir()
    for path in bundle[1].iterdir():
        (other / path.name).write_bytes(path.read_bytes().replace(b'"kind": "boxes"', b'"kind": "sounds"'))
    assert main(['predict', 'bundle', 'pictures', '--boxes', 'boxes.csv', '--out', 'out']) == 2
    assert 'bundle/manifest.json: input: kind sounds: no installed plugin runs it' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'message'), [(dict(raw=True), '--raw: takes the boxes'), (dict(dynamic_batch=True), '--dynamic-batch')]
)
def test_options_of_pictures_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        export('onnx-boxes', request(build(), **options), tmp_path / 'bundle')
