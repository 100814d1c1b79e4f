"""``detplug count`` on results and truths that a test states: groups, formulas, thresholds, diagnosis."""

import csv
import json
import math
import re

import pytest
from results_folder import box, write_results, write_truth
from tiny_bundle import write_bundle, write_pictures

from detplug.cli.main import main
from plugins.microscopy.counting import count as count_module
from plugins.microscopy.counting.page import rounded


def rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def eggs(*scores, name='egg', first=0):
    return [(name, score, box(first + i)) for i, score in enumerate(scores)]


@pytest.fixture
def results(tmp_path):
    pictures = {
        'a/1.tif#page=0': eggs(0.9, 0.6) + eggs(0.8, name='cyst', first=5),
        'a/1.tif#page=1': eggs(0.3),
        'a/2.png': [],
        'b/3.png': 'b/3.png: image file is cut off',
        'b/4.png': eggs(0.9, 0.9, 0.9),
    }
    return write_results(tmp_path / 'run', pictures)


def test_pages_of_a_file_are_one_slide_and_failed_pictures_are_named(results, capsys):
    assert main(['count', str(results)]) == 0
    found = {(row['slide'], row['class']): row for row in rows(results / 'counts.csv')}
    assert len(found) == 8
    assert found['a/1.tif', 'egg']['count'] == '3' and found['a/1.tif', 'egg']['pictures'] == '2'
    assert found['a/1.tif', 'cyst']['count'] == '1'
    assert found['a/2.png', 'egg'] | {'high': ''} == {
        'slide': 'a/2.png', 'class': 'egg', 'pictures': '1', 'failed': '0', 'count': '0', 'low': '0', 'high': '',
        'interval': 'poisson',
    }  # fmt: skip
    assert found['b/3.png', 'egg']['failed'] == '1' and found['b/3.png', 'egg']['count'] == ''
    assert '1 pictures could not be read' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--by', 'folder'], {'a': 3, 'b': 3}),
        (['--by', 'picture'], {'a/1.tif#page=0': 2, 'a/1.tif#page=1': 1, 'a/2.png': 0, 'b/3.png': None, 'b/4.png': 3}),
        (['--by', 'patient', '--pattern', '^([ab])/'], {'a': 3, 'b': 3}),
        (['--by', 'folder', '--score-thr', '0.5'], {'a': 2, 'b': 3}),
        (['--by', 'folder', '--score-thr', '0.95', 'egg=0.2'], {'a': 3, 'b': 3}),
    ],
)
def test_groups_and_thresholds(results, options, expected):
    assert main(['count', str(results), *options]) == 0
    by = options[1]
    found = {row[by]: int(row['count']) if row['count'] else None
             for row in rows(results / 'counts.csv') if row['class'] == 'egg'}  # fmt: skip
    assert found == expected


def test_a_table_tells_patients(results, tmp_path):
    table = tmp_path / 'patients.csv'
    table.write_text('file_name,patient\n1.tif,P1\na/2.png,P1\n3.png,P2\n4.png,P2\n')
    assert main(['count', str(results), '--by', 'patient', '--groups', str(table), '--out', str(tmp_path / 'o')]) == 0
    assert [r['count'] for r in rows(tmp_path / 'o' / 'counts.csv') if r['class'] == 'egg'] == ['3', '3']
    table.write_text('file_name,patient\n1.tif,P1\n')
    assert main(['count', str(results), '--by', 'patient', '--groups', str(table)]) == 2


def test_burden_by_the_usual_formulas(tmp_path):
    cells = [('red', 0.9, box(i)) for i in range(40)]
    rings = [('ring', 0.9, box(40 + i)) for i in range(10)]
    white = [('white', 0.9, box(60 + i)) for i in range(4)]
    run = write_results(tmp_path / 'run', {'1.png': cells + rings + white}, ('red', 'ring', 'white'))
    options = ['--targets', 'ring', '--red-cells', 'red', 'ring', '--red-per-ul', '5e6', '--white-cells', 'white']
    assert main(['count', str(run), *options, '--white-per-ul', '8000', '--grams', '0.0417']) == 0
    (row,) = rows(run / 'burden.csv')
    assert float(row['per_1000_red_cells']) == pytest.approx(1000 * 10 / 50)
    assert float(row['per_microlitre_by_red_cells']) == pytest.approx(5e6 * 10 / 50)
    assert float(row['per_microlitre_by_white_cells']) == pytest.approx(8000 * 10 / 4)
    assert float(row['per_gram']) == pytest.approx(10 / 0.0417, rel=1e-5)
    for name in ('per_1000_red_cells', 'per_microlitre_by_white_cells', 'per_gram'):
        assert float(row[f'{name}_low']) < float(row[name]) < float(row[f'{name}_high'])
    assert main(['count', str(run), '--targets', 'ring', '--white-cells', 'white', '--white-per-ul', '8000']) == 0


def test_no_cell_gives_no_burden(tmp_path):
    run = write_results(tmp_path / 'run', {'1.png': eggs(0.9)})
    assert main(['count', str(run), '--targets', 'egg', '--red-cells', 'cyst']) == 0
    (row,) = rows(run / 'burden.csv')
    assert row['per_1000_red_cells'] == '' and row['interval'] == 'no cell'


VALIDATION = {  # eggs at places 0 to 9 of each picture; detections right, wrong (places from 40) and missing
    f'{i}.png': (eggs(0.9, 0.8, 0.5), eggs(0.7, first=40), [('egg', box(k)) for k in range(4)]) for i in range(20)
}


@pytest.fixture
def validation(tmp_path):
    run = write_results(tmp_path / 'val', {name: right + wrong for name, (right, wrong, _) in VALIDATION.items()})
    return run, write_truth(tmp_path / 'val.json', {name: truth for name, (*_, truth) in VALIDATION.items()})


@pytest.mark.parametrize(
    ('wish', 'threshold', 'found', 'false'),
    [
        (['--sensitivity', '0.5'], 0.8, 40, 0),
        (['--sensitivity', '0.51'], 0.5, 60, 20),
        (['--false-alarms', '0'], 0.7, 40, 0),
        (['--false-alarms', '1'], 0.05, 60, 20),
    ],
)
def test_thresholds_are_chosen_for_a_wish(validation, tmp_path, wish, threshold, found, false):
    run, out = validation[0], tmp_path / 'calibration.json'
    truth = write_truth(tmp_path / 'egg.json', {n: t for n, (*_, t) in VALIDATION.items()}, ('egg',))
    assert main(['count', str(run), '--truth', str(truth), '--calibrate', str(out), *wish]) == 0
    entry = json.loads(out.read_text())['classes']['egg']
    assert entry['threshold'] == pytest.approx(threshold, abs=1e-6)
    assert (entry['found'], entry['false_alarms'], entry['objects']) == (found, false, 80)


def test_the_sensitivity_of_a_class_that_is_nowhere_is_refused(validation, tmp_path, capsys):
    words = ['count', str(validation[0]), '--truth', str(validation[1]), '--calibrate', str(tmp_path / 'c.json')]
    assert main([*words, '--sensitivity', '0.5']) == 2
    assert 'no cyst' in capsys.readouterr().err
    assert main([*words, '--false-alarms', '1']) == 0


def test_a_sensitivity_that_no_box_reaches_is_refused(validation, tmp_path, capsys):
    run, _ = validation
    truth = write_truth(tmp_path / 'egg.json', {n: t for n, (*_, t) in VALIDATION.items()}, ('egg',))
    words = ['--truth', str(truth), '--sensitivity', '0.9', '--calibrate', str(tmp_path / 'c.json')]
    assert main(['count', str(run), *words]) == 2
    assert '60 of 80 objects' in capsys.readouterr().err


def test_a_calibration_goes_into_a_manifest_and_corrects_counts(validation, tmp_path):
    run, _ = validation
    truth = write_truth(tmp_path / 'egg.json', {n: t for n, (*_, t) in VALIDATION.items()}, ('egg',))
    bundle = tmp_path / 'bundle'
    bundle.mkdir()
    (bundle / 'manifest.json').write_text(json.dumps(dict(classes=['egg', 'cyst'])))
    words = ['--truth', str(truth), '--sensitivity', '0.75', '--calibrate', str(bundle)]
    assert main(['count', str(run), *words]) == 0
    manifest = json.loads((bundle / 'manifest.json').read_text())
    assert manifest['classes'] == ['egg', 'cyst'] and 'egg' in manifest['counting']['classes']
    assert main(['count', str(run), '--calibration', str(bundle), '--by', 'folder']) == 0
    (egg, _) = rows(run / 'counts.csv')
    # 80 boxes, of which 20 are false alarms and 60 are three quarters of the 80 objects
    assert egg['count'] == '80'
    assert float(egg['corrected']) == pytest.approx(80, abs=4)
    assert float(egg['corrected_low']) < 80 < float(egg['corrected_high'])
    assert float(egg['expected']) == pytest.approx(60, abs=1e-3)
    assert 'svg' in (run / 'counts.html').read_text()


def test_each_class_counts_from_its_lowest_score_of_the_run(tmp_path, capsys):
    boxes = [('egg', 0.3, [0, 0, 9, 9]), ('egg', 0.6, [20, 0, 29, 9]), ('cyst', 0.7, [40, 0, 49, 9])]
    run = write_results(tmp_path / 'run', {'a.png': boxes}, score_thr=0.5, class_thr=dict(egg=0.2))
    assert main(['count', str(run)]) == 0
    assert [(row['class'], row['count']) for row in rows(run / 'counts.csv')] == [('egg', '2'), ('cyst', '1')]
    assert main(['count', str(run), '--score-thr', 'egg=0.25', 'cyst=0.5']) == 0
    assert main(['count', str(run), '--score-thr', 'cyst=0.4']) == 2
    assert 'cyst: threshold 0.4, but the run kept boxes from 0.5 on' in capsys.readouterr().err


def test_sensitivity_specificity_and_limits_against_a_truth(tmp_path, capsys):
    pictures, truth = {}, {}
    for i in range(20):  # ten negative slides, two with a false alarm; ten with four eggs, one of them missed wholly
        pictures[f'{i}.png'] = eggs(*([0.9] if i < 2 else [])) if i < 10 else eggs(*([0.9] * (0 if i == 19 else 3)))
        truth[f'{i}.png'] = [] if i < 10 else [('egg', box(k)) for k in range(4)]
    run, path = write_results(tmp_path / 'run', pictures), write_truth(tmp_path / 'truth.json', truth)
    words = ['--truth', str(path), '--targets', 'egg', '--positive-from']
    assert main(['count', str(run), *words, '2', '--shares', 'exact']) == 0
    found = json.loads((run / 'diagnosis.json').read_text())
    assert (found['sensitivity']['hits'], found['sensitivity']['trials']) == (9, 10)
    assert (found['specificity']['hits'], found['specificity']['trials']) == (10, 10)
    assert found['specificity']['limits'] == pytest.approx([0.691503, 1])  # (.025) ** (1 / 10)
    assert found['limit_of_blank'] == 1
    share, false = (27 - 0.2 * 10) / 40, 0.2
    detected = [b for b in range(100) if math.exp(-(m := false + share * b)) * (1 + m) <= 0.05]
    assert found['found'] == pytest.approx(share) and found['limit_of_detection'] == detected[0]
    assert main(['count', str(run), *words, '1']) == 0
    assert json.loads((run / 'diagnosis.json').read_text())['specificity']['hits'] == 8
    table = tmp_path / 'truth.csv'
    table.write_text('slide,class,count\n' + ''.join(f'{i}.png,egg,{0 if i < 10 else 4}\n' for i in range(20)))
    words[1] = str(table)
    assert main(['count', str(run), *words, '2']) == 0
    assert json.loads((run / 'diagnosis.json').read_text())['sensitivity']['hits'] == 9
    assert '0.900 (9 of 10' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--by', 'patient'], '--by patient'),
        (['--by', 'folder', '--pattern', 'x'], '--pattern'),
        (['--targets', 'worm', '--grams', '1'], 'worm'),
        (['--targets', 'egg'], '--targets'),
        (['--grams', '1'], '--grams'),
        (['--red-per-ul', '5'], '--red-per-ul'),
        (['--positive-from', '2'], '--positive-from'),
        (['--score-thr', '0.01'], 'kept boxes from 0.05'),
        (['--score-thr', 'worm=0.5'], 'worm'),
        (['--sensitivity', '0.5'], '--sensitivity'),
        (['--calibrate', 'x.json', '--by', 'slide', '--truth', 'y', '--sensitivity', '0.5'], '--by'),
        (['--calibration', 'nowhere.json'], 'nowhere.json'),
        (['--truth', 'nowhere.json', '--targets', 'egg'], 'nowhere.json'),
        (['--pattern', '('], '--pattern'),
        (['--pattern', 'nothing'], 'a/1.tif'),
    ],
)
def test_wrong_options_are_one_line(results, words, said, capsys):
    assert main(['count', str(results), *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize('words', ['--targets worm --grams 1', '--targets egg --truth nowhere.csv'])
def test_names_and_files_are_checked_before_any_table_is_read(results, words, monkeypatch, capsys):
    run = json.loads((results / 'run.json').read_text())
    run['engine'] = (run.get('engine') or {}) | {'classes': ['egg', 'cyst']}
    (results / 'run.json').write_text(json.dumps(run))
    monkeypatch.setattr(count_module, 'read_results', lambda folder: pytest.fail('tables are read'))
    assert main(['count', str(results), *words.split()]) == 2
    assert re.search('worm: no class of the detector; one of egg, cyst|nowhere.csv: --truth', capsys.readouterr().err)


def test_a_run_that_is_not_finished_is_refused(results, capsys):
    (results / 'images-00001.parquet').unlink()
    assert main(['count', str(results)]) == 2
    assert '1 of 3 shards' in capsys.readouterr().err
    assert main(['count', str(results.parent)]) == 2


def test_a_real_prediction_is_counted(tmp_path):
    bundle, pictures = write_bundle(tmp_path / 'bundle', field='none'), write_pictures(tmp_path / 'pictures')
    out = tmp_path / 'out'
    assert main(['predict', str(bundle), *map(str, pictures), '--out', str(out), '--no-pictures']) == 0
    assert main(['count', str(out), '--by', 'folder']) == 0
    counts = {row['class']: row['count'] for row in rows(out / 'counts.csv')}
    assert counts == {'egg': '3', 'Würmer': '1'}


def test_the_page_rounds_what_the_table_has_in_full():
    cells = ['0.0253178', '22.2304', '2223.04', '13', 'poisson', '', '1.2.3']
    assert [rounded(cell) for cell in cells] == ['0.0253', '22.2', '2223', '13', 'poisson', '', '1.2.3']
