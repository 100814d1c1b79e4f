"""A user's own relations: the checker, the tables, and the page that explains them."""

import csv
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from sabra_data_cases import assert_same_set, error_of, kinds_of, reads_or_refuses, relation_content, write_json

import plugins.sabra.data.dataset  # noqa: F401
from detplug.cli.main import main as detplug
from detplug.cli.run import run
from plugins.sabra.data import check, from_csv
from plugins.sabra.data.relation_file import read_relations
from plugins.sabra.data.tables import BOXES, RELATIONS, read_tables

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / 'docs/own_relations.md'
WILD = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
BOX_ROWS = [
    ('a.jpg', 640, 480, 'anna', 'person', 10, 20, 210.5, 400),
    ('b.jpg', 640, 480, '', '', '', '', '', ''),
    ('a.jpg', 640, 480, 'cup1', 'cup', 150, 200, 190, 250),
    ('a.jpg', 640, 480, 'ben', 'person', 300, 20, 400, 400),
]
RELATION_ROWS = [('a.jpg', 'anna', 'hold', 'cup1'), ('a.jpg', 'ben', 'look', 'anna'), ('a.jpg', 'anna', 'smile', '')]


def tables(folder, boxes=BOX_ROWS, relations=RELATION_ROWS):
    paths = folder / 'boxes.csv', folder / 'relations.csv'
    for path, head, rows in zip(paths, (BOXES, RELATIONS), (boxes, relations), strict=True):
        with open(path, 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows([head, *rows])
    return paths


def test_tables_become_a_set(tmp_path):
    data = read_tables(*tables(tmp_path))
    assert data.names.objects == ('cup', 'person') and data.names.predicates == ('hold', 'look', 'smile')
    first, second = data.images
    assert (first.img_id, first.file_name, first.width, first.height) == (1, 'a.jpg', 640, 480)
    assert first.boxes.tolist() == [[10, 20, 210.5, 400], [150, 200, 190, 250], [300, 20, 400, 400]]
    assert first.labels.tolist() == [1, 0, 1] and first.annotated.all()
    assert first.relations.tolist() == [[0, 1, 0], [2, 0, 1], [0, -1, 2]]
    assert second.file_name == 'b.jpg' and len(second.boxes) == 0 and data.anomalies == []


def test_columns_may_stand_in_any_order_and_excel_may_mark_the_file(tmp_path):
    want = read_tables(*tables(tmp_path))
    for path in tables(tmp_path):
        rows = [row[::-1] for row in csv.reader(path.read_text().splitlines())]
        path.write_text('\ufeff' + '\r\n'.join(','.join(row) for row in rows), encoding='utf-8', newline='')
    assert_same_set(read_tables(tmp_path / 'boxes.csv', tmp_path / 'relations.csv'), want)


def changed(row, **fields):
    """Box rows with fields of one row changed."""
    rows = [dict(zip(BOXES, values, strict=True)) for values in BOX_ROWS]
    rows[row].update({key.rstrip('_'): value for key, value in fields.items()})
    return [tuple(each.values()) for each in rows]


@pytest.mark.parametrize(
    'boxes, words',
    [
        (changed(0, x1='left'), 'line 2: x1: left is not a finite number'),
        (changed(0, y2='nan'), 'line 2: y2: nan is not a finite number'),
        (changed(0, x2=''), 'line 2: x2: empty is not a finite number'),
        (changed(2, width=641), 'line 4: width, height: (641, 480), but (640, 480) above'),
        (changed(2, height='4.5'), 'line 4: height: 4.5 is not a whole number of pixels'),
        (changed(3, object='anna'), 'line 5: object: anna is in this image twice'),
        (changed(3, class_=''), 'class: empty in a row'),
        (changed(1, image=' '), 'line 3: image: empty'),
        ([], 'no rows'),
        (BOX_ROWS[1:2], 'class: empty in the whole table'),
        ([*BOX_ROWS, ('a.jpg', 1)], 'line 6: not 9 fields'),
        ([*BOX_ROWS, (*BOX_ROWS[0], 'more')], 'line 6: not 9 fields'),
    ],
)
def test_a_defect_of_the_boxes_is_named(tmp_path, boxes, words):
    paths = tables(tmp_path, boxes)
    assert error_of(read_tables, *paths).startswith(f'{paths[0]}: {words}')


@pytest.mark.parametrize(
    'relation, words',
    [
        (('c.jpg', 'anna', 'hold', 'cup1'), 'line 2: image: c.jpg is not in'),
        (('a.jpg', 'eve', 'hold', 'cup1'), 'line 2: subject: eve is no object of image a.jpg'),
        (('a.jpg', '', 'hold', 'cup1'), 'line 2: subject: empty is no object'),
        (('b.jpg', 'anna', 'hold', ''), 'line 2: subject: anna is no object of image b.jpg'),
        (('a.jpg', 'anna', 'hold', 'cup'), 'line 2: object: cup is no object of image a.jpg'),
        (('a.jpg', 'anna', '', 'cup1'), 'predicate: empty in a row'),
    ],
)
def test_a_defect_of_the_relations_is_named(tmp_path, relation, words):
    paths = tables(tmp_path, relations=[relation])
    assert error_of(read_tables, *paths).startswith(f'{paths[1]}: {words}')


def test_a_wrong_table_is_named(tmp_path):
    boxes, relations = tables(tmp_path)
    assert f'{relations}: columns: image,subject,predicate,object; these are needed: image,width' in error_of(
        read_tables, relations, boxes
    )
    assert 'none.csv: not found' in error_of(read_tables, tmp_path / 'none.csv', relations)
    boxes.write_bytes(b'\xff\xfe')
    assert 'save it as CSV in UTF-8' in error_of(read_tables, boxes, relations)


@WILD
@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path, content, with_head, second):
    paths = tables(tmp_path)
    paths[second].write_bytes((paths[second].read_bytes().splitlines(True)[0] if with_head else b'') + content)
    reads_or_refuses(read_tables, *paths)


@WILD
@given(st.data())
def test_any_field_is_read_or_refused(tmp_path, data):
    rows = [list(map(str, row)) for row in BOX_ROWS], [list(row) for row in RELATION_ROWS]
    row = data.draw(st.sampled_from(data.draw(st.sampled_from(rows))))
    row[data.draw(st.integers(0, len(row) - 1))] = data.draw(
        st.text(st.characters(exclude_categories=['Cs']), max_size=5)
    )
    reads_or_refuses(read_tables, *tables(tmp_path, *rows))


def test_the_converter_writes_what_the_reader_reads(tmp_path, capsys):
    paths = tables(tmp_path)
    assert run(from_csv.main, [*map(str, paths), '--out', str(tmp_path / 'new/mine.json')]) == 0
    assert_same_set(read_relations(tmp_path / 'new/mine.json'), read_tables(*paths))
    assert 'no anomalies' in capsys.readouterr().out


def test_a_refused_table_writes_nothing(tmp_path, capsys):
    paths = tables(tmp_path, changed(0, x1='left'))
    assert run(from_csv.main, [*map(str, paths), '--out', str(tmp_path / 'mine.json')]) == 2
    assert not (tmp_path / 'mine.json').exists() and capsys.readouterr().err.count('\n') == 1


def test_the_checker_counts_and_lists(tmp_path, capsys):
    content = relation_content()
    content['relations'] += [content['relations'][0], content['relations'][2]]
    for entry in content['annotations'][:2]:
        entry['bbox'][2] = 0
    path = write_json(tmp_path / 'a.json', content)
    assert run(check.main, [str(path)]) == 0
    text = capsys.readouterr().out
    found = dict(re.findall(r'│ (\S.*?) +│ (\d+) +│', text))
    assert found == dict(
        images='2',
        **{
            'images without relations': '1',
            'objects whose relations are not annotated': '0',
            'relations without object': '1',
        },
        objects='3',
        relations='5',
        cup='1',
        table='1',
        person='1',
        hold='2',
        smile='1',
        on='2',
    )
    assert '     2 x repeated relation kept' in text and 'a.jpg: 40 hold 10: 2 times' in text
    assert f'{len(read_relations(path).anomalies)} anomalies' in text
    assert kinds_of(read_relations(path).anomalies) == ['degenerate box kept'] * 2 + ['repeated relation kept'] * 2


def test_the_checker_ends_with_one_line_and_status_2(tmp_path, capsys):
    assert run(check.main, [str(write_json(tmp_path / 'a.json', '{}'))]) == 2
    captured = capsys.readouterr()
    assert (
        captured.out == ''
        and captured.err
        == f'error: {tmp_path}/a.json: images: missing or not a list of objects; is this a COCO detection file?\n'
    )


def blocks(kind) -> list[str]:
    return re.findall(rf'```{kind}\n(.*?)```', PAGE.read_text(), re.DOTALL)


@pytest.mark.filterwarnings('ignore:.*found in sys.modules:RuntimeWarning')
def test_the_page_is_right(tmp_path, monkeypatch, capsys):
    """Its tables and its json are files that work; its commands run where the tables lie; its config builds."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(('boxes.csv', 'relations.csv'), blocks('csv'), strict=True):
        Path(name).write_text(text)
    commands = [shlex.split(line) for line in ''.join(blocks('bash')).splitlines()]
    assert [command[:2] for command in commands] == [['detplug', 'relations-from-csv'], ['detplug', 'check-relations']]
    for command in commands:
        assert detplug(command[1:]) == 0 and 'no anomalies' in capsys.readouterr().out
    Path('page.json').write_text(blocks('json')[0])
    assert_same_set(read_relations('page.json'), read_relations('mine.json'))
    scope: dict = {}
    exec(blocks('python')[0], scope)
    dataset = DATASETS.build(scope['dataset'] | dict(data_root=str(tmp_path)))
    assert dataset.metainfo['predicates'] == ('hold', 'look', 'smile') and len(dataset) == 2
