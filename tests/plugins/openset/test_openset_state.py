"""What an open-set training keeps, resumes and refuses: fits, checkpoints, log, library, thresholds."""

import json

import numpy as np
import pytest
import torch
from mmdet.registry import RUNNERS
from tiny_open_set import (
    CLASSES,
    COLOURS,
    UNKNOWN,
    build,
    config,
    write_set,
)

from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.errors import UserError


def test_what_is_saved_and_validated_was_fitted_on_the_teacher_beside_it(tmp_path, monkeypatch):
    """Whatever ``refit`` is."""
    fitted = []
    monkeypatch.setattr(
        'plugins.openset.hook.fit_ood_model', lambda model, batches: fitted.append(vector(model.teacher.state_dict()))
    )
    write_set(tmp_path)
    runner = build(tmp_path, mode='oodfc', steps=8, custom_hooks__0__refit=1000)
    validated = []
    runner.val_evaluator.metrics[0].compute_metrics = lambda results: (
        validated.append(vector(runner.model.teacher.state_dict())) or {'map': 0.0}
    )
    runner.train()
    saved = [load_file(tmp_path / 'work' / f'iter_{step}.pth')['state_dict'] for step in (4, 8)]
    saved = [vector({name: x for name, x in state.items() if name.startswith('teacher.')}) for state in saved]
    assert len(validated) == 2 and not torch.equal(*saved) and len(fitted) == 3  # once more after the burn-in
    for teacher in (*saved, *validated):
        assert any(torch.equal(teacher, x) for x in fitted)


def vector(state: dict) -> torch.Tensor:
    """All floating-point numbers of a state."""
    return torch.cat([x.detach().flatten().clone() for x in state.values() if x.is_floating_point()])


def test_the_row_of_a_resumed_training_counts_all_its_steps(tmp_path):
    """A checkpoint between two rows keeps what was counted since the first."""
    for name in ('whole', 'stopped'):
        write_set(tmp_path / name)
    settings = dict(mode='oodfc_cce', custom_hooks__0__interval=8)
    build(tmp_path / 'whole', **settings).train()
    build(tmp_path / 'stopped', steps=4, **settings).train()
    build(tmp_path / 'stopped', resume=True, **settings).train()
    rows, again = (read_history(tmp_path / name / 'work' / 'openset.jsonl') for name in ('whole', 'stopped'))
    assert [row['step'] for row in rows] == [8] and rows == again and rows[0]['labelled/red'] > 0


def test_load_from_takes_weights_alone(tmp_path):
    """Of a training with other classes: its library, counts and thresholds stay where they are."""
    write_set(tmp_path / 'first')
    build(tmp_path / 'first', steps=4).train()
    write_set(tmp_path / 'second')
    settings = config(tmp_path / 'second', steps=2, load_from=str(tmp_path / 'first' / 'work' / 'iter_4.pth'))
    settings.model.classes, settings.model.detector.bbox_head.num_classes = 1, 2
    for part in ('labelled', 'unlabelled'):
        settings.train_dataloader.dataset.dataset[part].dataset.update(
            metainfo=dict(classes=CLASSES[:1]), unknown_classes=(*CLASSES[1:], *UNKNOWN)
        )
    for loader in ('val_dataloader', 'test_dataloader'):
        settings[loader].dataset.update(metainfo=dict(classes=CLASSES[:1]), unknown_classes=(*CLASSES[1:], *UNKNOWN))
    runner = RUNNERS.build(settings)
    runner.train()
    library = runner.model.embedding.library
    assert len(library.labelled) == 1 and library.images == 6


def test_a_checkpoint_of_another_version_is_named(tmp_path):
    write_set(tmp_path)
    build(tmp_path, steps=4).train()
    path = tmp_path / 'work' / 'iter_4.pth'
    checkpoint = dict(load_file(path))
    checkpoint['openset'] = dict(dry_steps=0, library=dict(crops=[], counts=torch.zeros(2)))
    torch.save(checkpoint, path)
    (tmp_path / 'work' / 'last.pth').unlink(missing_ok=True)
    with pytest.raises(UserError, match='another version or another model'):
        build(tmp_path, resume=True).train()


def test_a_batch_without_labelled_images_is_named(tmp_path):
    write_set(tmp_path)
    with pytest.raises(UserError, match=r'batch_size: 3 is no multiple of 2'):
        build(tmp_path, train_dataloader__batch_size=3).train()


def test_a_validation_alone_builds_no_training_and_moves_no_threshold(tmp_path):
    write_set(tmp_path)
    runner = build(tmp_path)
    before = runner.model.thresholds.values.clone()
    runner.val()
    assert isinstance(runner._train_loop, dict) and torch.equal(runner.model.thresholds.values, before)


def test_a_metric_without_aps_is_said(tmp_path):
    write_set(tmp_path)
    runner = build(tmp_path, steps=4)
    runner.val_evaluator.metrics[0].compute_metrics = lambda results: {'map': 0.5}
    runner.train()
    log = ''.join(path.read_text() for path in (tmp_path / 'work').rglob('*.log'))
    assert 'val_evaluator gives no ap/red' in log


def test_class_control_starts_from_the_labelled_objects_of_whole_images(tmp_path):
    """Crops are whole squares of the images as they are; counts are of the labelled set, not of mosaics."""
    write_set(tmp_path)
    runner = build(tmp_path, steps=1, mode='cce', model__cce=dict(slots=64), model__burn_in=100)
    runner.train()
    library = runner.model.embedding.library
    content = json.loads((tmp_path / 'ann.json').read_text())
    labelled = [x for x in content['annotations'] if x['image_id'] % 2 == 0]
    wanted = np.bincount([x['category_id'] for x in labelled], minlength=2)[:2]
    assert library.counts.tolist() == wanted.tolist() and library.images == 6
    assert runner.model.mean_objects == wanted.sum() / 6
    inside = [x['category_id'] for x in labelled if min(x['bbox'][:2]) >= 1 and x['category_id'] < 2]  # ends at 60 px
    assert [len(x) for x in library.labelled] == np.bincount(inside).tolist() and len(inside) < wanted.sum()
    for label, ring in enumerate(library.labelled):
        for crop in ring:
            assert crop.image_id % 2 == 0 and crop.pixels.shape == (24, 24, 3)
            x1, y1, x2, y2 = crop.box.astype(int)
            inside = crop.pixels[y1:y2, x1:x2].reshape(-1, 3)  # in the network's order of channels, RGB
            assert (x2 - x1, y2 - y1) == (20, 20)
            assert (inside == COLOURS[CLASSES[label]][::-1]).all(1).mean() > 0.5  # squares may overlap
