"""Relations between the boxes of a detector outside: training from a file, its test, and predict --boxes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from detplug.cli.main import main
from detplug.engine.quiet import quiet_imports
from detplug.runtime.tables import read_table

with quiet_imports():
    from mmdet.registry import RUNNERS
    from mmengine.config import Config

    from detplug.cli.config import load_config
    from plugins.samples.scenes import generate

ROOT = Path(__file__).resolve().parents[3]
COUNT, DIMS = 4, 6


def write_boxes(folder: Path) -> None:
    """The boxes of every split in all forms; the features are those of the object's class."""
    rows, ids = [], dict(images=[], categories=[])
    for path in sorted((folder / 'annotations').glob('*.json')):
        data = json.loads(path.read_text())
        names, files = (
            {x['id']: x[key] for x in data[part]} for part, key in (('categories', 'name'), ('images', 'file_name'))
        )
        ids['images'] += [dict(id=f'{path.stem}{x["id"]}', file_name=x['file_name']) for x in data['images']]
        ids['categories'] = data['categories']
        rows += [
            dict(file_name=files[x['image_id']], category_name=names[x['category_id']], category_id=x['category_id'],
                 bbox=x['bbox'], score=0.9, image_id=f'{path.stem}{x["image_id"]}')
            for x in data['annotations']
        ]  # fmt: skip
    coco = [{key: row[key] for key in ('image_id', 'category_id', 'bbox', 'score')} for row in rows]
    for name, content in (('boxes', rows), ('coco', coco), ('ids', ids)):
        (folder / f'{name}.json').write_text(json.dumps(content))
    lines = ['image,class,score,x1,y1,x2,y2']
    for file in {row['file_name'] for row in rows}:
        own = [row for row in rows if row['file_name'] == file]
        xywh = np.array([row['bbox'] for row in own], float)
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
        features = np.eye(8)[[row['category_id'] for row in own], :DIMS]
        classes = np.array([row['category_name'] for row in own])
        path = (folder / 'npz' / file).with_suffix('.npz')
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, boxes=boxes, scores=np.full(len(own), 0.9), classes=classes, features=features)
        lines += [
            f'{file},{name},0.9,{",".join(map(str, box))}' for name, box in zip(classes, boxes.tolist(), strict=True)
        ]
    (folder / 'boxes.csv').write_text('\n'.join(lines))


def boxes_config(folder: Path, boxes: dict, visual: dict | None = None) -> Config:
    """The samples' config with given boxes in place of the detector and of the pictures."""
    config = load_config(ROOT / 'configs/sabra/sabra_yolov5n_samples.py', [f'data_root={folder}/'])
    pipeline = [dict(type='LoadAnnotations', with_bbox=True, box_type=None), boxes, dict(type='PackRelations')]
    leaf = dict(config.test_dataloader.dataset, pipeline=pipeline)
    for name in ('train', 'val', 'test'):
        config[f'{name}_dataloader'] = dict(
            batch_size=2, num_workers=0,
            dataset=dict(leaf, ann_file=f'annotations/{name}.json', test_mode=name != 'train'),
            sampler=dict(type='DrawSampler' if name == 'train' else 'EvaluationSampler'),
        )  # fmt: skip
    config.train_dataloader.dataset = dict(type='SeededDataset', dataset=config.train_dataloader.dataset)
    small = dict(graph=dict(dims=16, heads=2, class_width=4), dims=16, class_width=4)
    head = dict(config.model.head, **small, visual=visual, head_crops=None)
    config.model = dict(type='RelationDetector', head=head)
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.custom_hooks, config.default_hooks.progress = [], None
    config.update(launcher='none', resume=False, randomness=dict(seed=0))
    return config


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Folder of scenes, a config of each visual source and the checkpoint that it was trained to."""
    folder = tmp_path_factory.mktemp('given')
    generate(folder, counts=dict(train=COUNT, val=COUNT, test=COUNT), size=96)
    write_boxes(folder)
    shutil.move(folder / 'images', folder / 'pictures')  # training and test look at no picture
    out = {}
    sources = dict(plain=dict(file=f'{folder}/boxes.json'), features=dict(file=f'{folder}/npz', features=True))
    for name, options in sources.items():
        visual = dict(type='BoxFeatures', channels=DIMS, dims=8) if name == 'features' else None
        config = boxes_config(folder, dict(type='FileProposals', **options), visual)
        config.work_dir = str(folder / name)
        config.dump(folder / f'{name}.py')
        runner = RUNNERS.get(config.runner_type).from_cfg(config)
        runner.train()
        images = runner.val_evaluator.metrics[0].images  # with as many triplets as there are in the truth
        assert [len(x.result.triplets) for x in images] == [len(x.truth.relations) for x in images]
        assert len(images) == COUNT and sum(len(x.truth.relations) for x in images) > 10
        out[name] = str(folder / f'{name}.py'), str(folder / name / 'last.pth')
    return folder, out


def predicted(folder, out, *words):
    """Tables of a successful prediction of the test pictures."""
    pictures = sorted(str(x) for x in (folder / 'pictures').rglob('*test*'))
    pictures = pictures or sorted(str(x) for x in (folder / 'pictures').rglob('*.jpg'))
    words = [
        *words[:2],
        *pictures,
        *words[2:],
        '--out',
        str(out),
        '--relation-thr',
        '0',
        '--device',
        'cpu',
        '--no-pictures',
    ]
    assert main(['predict', *words]) == 0
    return read_table(out / 'part-00000.parquet'), json.loads((out / 'relations.json').read_text())


def test_each_form_of_the_boxes_predicts_the_same_relations(trained, tmp_path, capsys):
    folder, models = trained
    forms = dict(
        json=['boxes.json'], csv=['boxes.csv'], npz=['npz'], coco=['coco.json', '--annotations', f'{folder}/ids.json']
    )
    results = {}
    for form, (file, *more) in forms.items():
        boxes, relations = predicted(folder, tmp_path / form, *models['plain'], '--boxes', f'{folder}/{file}', *more)
        assert len(boxes['score']) > COUNT and set(boxes['score']) == {np.float32(0.9)}
        results[form] = [
            (x['file_name'], x['subject'], x['object'], x['predicate'], round(x['score'], 3)) for x in relations
        ]
    assert len(results['json']) > 20 and all(sorted(x) == sorted(results['json']) for x in results.values())


def test_features_of_the_boxes_are_read_and_needed(trained, tmp_path, capsys):
    folder, models = trained
    _, relations = predicted(folder, tmp_path / 'npz', *models['features'], '--boxes', f'{folder}/npz')
    for path in (folder / 'npz').rglob('*.npz'):  # other features, other scores
        arrays = dict(np.load(path)) | {}
        target = tmp_path / 'other' / path.relative_to(folder / 'npz')
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez(target, **(arrays | dict(features=arrays['features'] + 3)))
    _, others = predicted(folder, tmp_path / 'out', *models['features'], '--boxes', str(tmp_path / 'other'))
    assert [x['score'] for x in relations] != [x['score'] for x in others]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'the model is given boxes, it finds none; add --boxes FILE'),
        (['--boxes', 'boxes.json', '--tile', '64'], 'leave --tile out'),
        (['--boxes', 'boxes.json', '--reduce', '2'], 'leave --reduce out'),
        (['--boxes', 'coco.json'], '--annotations FILE'),
        (['--boxes', 'nowhere.json'], 'not found'),
    ],
)
def test_what_does_not_go_together_is_one_line(trained, tmp_path, words, message, capsys, monkeypatch):
    folder, models = trained
    monkeypatch.chdir(folder)
    assert main(['predict', *models['plain'], 'pictures', '--out', str(tmp_path / 'out'), *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_a_picture_that_the_file_does_not_name_ends_nothing(trained, tmp_path, capsys):
    folder, models = trained
    picture = next((folder / 'pictures').rglob('*.jpg'))
    (tmp_path / 'some').mkdir()
    for name in (picture.name, 'unknown.jpg'):
        shutil.copy(picture, tmp_path / 'some' / name)
    words = ['--boxes', str(folder / 'boxes.json'), '--out', str(tmp_path / 'out')]
    assert main(['predict', *models['plain'], str(tmp_path / 'some'), *words]) == 0
    assert 'no detections of' in capsys.readouterr().err
    assert len(list((tmp_path / 'out' / 'pictures').iterdir())) == 1
