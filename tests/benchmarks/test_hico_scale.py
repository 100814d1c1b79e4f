"""The dry run of a HICO-DET training: what it generates has the data set's counts, and it sees an item that is slow."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))
import hico_generated  # noqa: E402
import hico_scale  # noqa: E402

AMOUNTS = hico_scale.Amounts(images=40, test_images=20, boxes_items=16, pixel_items=4, steps=1)


@pytest.fixture(scope='module')
def generated(real_data, tmp_path_factory):
    """Folder of the data: the download and, of it, the project's files; with the figures of both."""
    root = tmp_path_factory.mktemp('hico')
    data = real_data('hico').parent
    real_data('vcoco')
    figures = hico_generated.write_download(data, root / 'download', AMOUNTS.images, AMOUNTS.test_images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DETPLUG_DATA', str(root))
        return root, figures | hico_scale.in_subprocess(hico_scale.prepare_download, AMOUNTS)


@pytest.fixture
def dry_run(generated, monkeypatch):
    """``generated``, where the shipped config looks for its data."""
    monkeypatch.setenv('DETPLUG_DATA', str(generated[0]))
    return generated


def test_images_are_drawn_so_often_that_the_classes_have_their_counts():
    wanted = np.array([0.75, 0.5]) * hico_generated.IMAGES
    copies = hico_generated.copies_of_images([[0], [1], [0, 1], []], wanted, 40)
    assert copies.sum() == 40
    assert abs(copies[0] + copies[2] - 30) <= 1 and abs(copies[1] + copies[2] - 20) <= 1


def test_at_full_size_the_counts_are_those_of_the_training_split(real_data):
    folder = real_data('hico')
    content = json.loads((folder / hico_generated.TEST).read_text())
    wanted = np.load(folder / hico_generated.COUNTS)
    classes = [x['hoi'] for x in content['annotation']]
    copies = hico_generated.copies_of_images(classes, wanted, hico_generated.IMAGES)
    found = sum(times * np.bincount(x, minlength=600) for times, x in zip(copies, classes, strict=True) if x)
    assert copies.sum() == hico_generated.IMAGES
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.01)
    assert np.abs(found - wanted).sum() < 0.03 * wanted.sum()
    assert ((found < 10) == (wanted < 10)).mean() > 0.98, 'the rare classes are rare'


def test_the_project_reads_what_is_generated_and_finds_nothing_wrong_with_the_pictures(generated):
    root, figures = generated
    assert (figures['train_images'], figures['sizes']) == (40, len(list((root / 'download' / 'pictures').iterdir())))
    assert len(list((root / hico_scale.FOLDER / 'images').iterdir())) == AMOUNTS.images + AMOUNTS.test_images
    lines = (root / hico_scale.FOLDER / 'anomalies.txt').read_text().splitlines()
    kinds = {line.partition(':')[0] for line in lines}
    assert not kinds & {'missing image', 'broken image', 'wrong size', 'pair against the table of classes skipped'}


def test_every_measure_gives_the_figures_that_the_page_explains(dry_run):
    figures = dict(dry_run[1])
    for measure in hico_scale.MEASURES[1:]:
        figures |= measure(AMOUNTS)
    figures |= hico_scale.epochs(figures)
    assert figures['items'] + figures['held_out'] == AMOUNTS.images
    assert figures['copies'] > 1.3, 'persons are drawn anew for their verbs'
    assert figures['pixels_epoch_minutes_8_workers'] * 8 * 60_000 == pytest.approx(
        figures['items'] * figures['pixels_ms']
    )
    assert all(value > 0 for value in figures.values())
    explained = hico_scale.__doc__.replace(',', ' ').split()
    assert not [name for name in figures if name not in explained and not name.endswith('_8_workers')]


def test_a_slow_transform_is_seen(dry_run, monkeypatch):
    from plugins.sabra.transforms import PackRelations

    plain = PackRelations.transform

    def slow(self, results):
        end = time.process_time() + 0.005
        while time.process_time() < end:
            pass
        return plain(self, results)

    monkeypatch.setattr(PackRelations, 'transform', slow)
    assert hico_scale.boxes(AMOUNTS)['boxes_ms'] > 5
