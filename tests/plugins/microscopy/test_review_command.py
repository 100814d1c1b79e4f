"""``detplug review`` as a process: what it refuses, what it keeps when it is killed, and the way back into training."""

import json
import shutil
import signal

import pytest
from review_process import predict_again, train_on
from review_tabs import Tab, write_bundle

from detplug.cli.main import main as detplug
from detplug.cli.run import run
from detplug.data.coco_file import read_coco
from plugins.microscopy.review.command import main
from plugins.microscopy.review.results import read_results
from plugins.microscopy.review.review import Digests, Review
from plugins.samples.parasites import generate


def test_a_killed_server_has_lost_nothing_and_open_tabs_go_on(out, serve):
    server, results = serve(out), read_results(out)
    request = dict(run=results.identity, tab='t', object='b0-0', action='accept', revision=0)
    assert server.browser.post('/decide', json=request | dict(id='one')).json()['seq'] == 1
    server.end(signal.SIGKILL)
    log = out / 'review' / 'audit.jsonl'
    log.write_bytes(log.read_bytes() + b'{"seq": 2, "time": "20')  # it was writing
    token = (out / 'review' / '.token').read_text()
    again = serve(out)
    assert any('had no end and was cut off (22 bytes)' in line for line in again.said)
    assert any('1 decisions so far' in line for line in again.said)
    assert again.browser.get('/run').json()['changes'][0]['after']['status'] == 'accepted'
    assert token == (out / 'review' / '.token').read_text()
    assert again.browser.post('/decide', json=request | dict(id='one')).json()['seq'] == 1  # it was sent again
    assert again.browser.post('/decide', json=request | dict(id='two', object='b0-1')).json()['seq'] == 2


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_server_writes_the_labels(out, serve, how):
    server, results = serve(out), read_results(out)
    request = dict(run=results.identity, id='i', tab='t', object='b0-0', action='accept', revision=0)
    server.browser.post('/decide', json=request)
    said = server.end(how)
    assert '1 labels in 1 pictures, 2 boxes without a decision' in said and 'Traceback' not in said
    assert server.process.returncode == 0
    assert len(json.loads((out / 'review' / 'corrected.json').read_text())['annotations']) == 3


def wrong(capsys, words, *parts) -> None:
    assert run(main, list(map(str, words))) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and all(part in lines[0] for part in parts), lines


def test_what_cannot_be_is_one_line(out, serve, tmp_path, capsys):
    wrong(capsys, [tmp_path], 'run.json', 'detplug predict')
    for text in ('[]', '{"files": 3}'):
        (tmp_path / 'run.json').write_text(text)
        wrong(capsys, [tmp_path], 'run.json', 'predict anew')
    wrong(capsys, [out, '--order', 'best'], '--order best', 'uncertain, strangest')
    wrong(capsys, [out, '--name', 'egg'], '--name', 'egg')
    wrong(capsys, [out, '--port', 99999], '--port 99999')
    wrong(capsys, [out, '--reviewer', ' '], '--reviewer')
    wrong(capsys, [out, '--write', '--top', 5], '--top', '--write')
    server = serve(out)
    wrong(capsys, [out], 'another process')
    port = server.browser.base_url.port
    shutil.copytree(out, tmp_path / 'copy', ignore=shutil.ignore_patterns('review'))
    wrong(capsys, [tmp_path / 'copy', '--port', port], f'--port {port}', '--port 0')
    next((tmp_path / 'copy').glob('images-*')).unlink()
    wrong(capsys, [tmp_path / 'copy'], '1 of 1 shards', 'predict')


def test_the_labels_are_what_was_decided(opened, out, capsys):
    review = opened(dict(egg=1, Würmer=2, larva=3))
    tab = Tab(review)
    accepted, renamed = review.detected('b0-0')['bbox'], review.detected('b0-1')['bbox']
    tab.decide('b0-0', 'accept')
    tab.decide('b0-1', 'rename', name='larva')
    tab.decide('b0-2', 'reject')
    tab.decide('b1-0', 'unknown')
    tab.decide('b2-0', 'accept')
    tab.decide('b2-0', 'undo', undoes=5)
    drawn = dict(name='Würmer', bbox=[1, 2, 30, 20], picture=1)
    tab.decide('n1', 'draw', **drawn)
    tab.decide('n2', 'draw', **drawn)
    tab.decide('n2', 'reject')
    review.log.close()
    review.log.close = lambda: None
    assert main([str(out), '--write']) == 0  # the class of before is known from the log
    assert '4 labels in 2 pictures, 2 boxes without a decision (ignored)' in capsys.readouterr().out
    path = out / 'review' / 'corrected.json'
    data = json.loads(path.read_text())
    names = {row['id']: row['name'] for row in data['categories']}
    assert names == {1: 'egg', 2: 'Würmer', 3: 'larva', 4: 'unknown'}
    of_first = [(names[x['category_id']], x['bbox']) for x in data['annotations'] if x['image_id'] == 1]
    assert sorted(of_first) == sorted([('egg', accepted), ('larva', renamed)])
    of_second = {(names[x['category_id']], x.get('ignore', 0), x['review']) for x in data['annotations']
                 if x['image_id'] == 2}  # fmt: skip
    assert of_second == {('unknown', 0, 'unknown'), ('Würmer', 0, 'drawn'), ('Würmer', 1, 'open'), ('egg', 1, 'open')}
    found, records, anomalies = read_coco(path)
    assert len(records) == 2 and anomalies == [] and set(found) == set(names.values())
    assert [sum(not item.ignored for item in record.objects) for record in records] == [2, 2]


def test_predict_review_train_predict(tmp_path, monkeypatch, capsys):
    """The whole way: generated slides, an export's boxes, decisions, and a training on what they say."""
    generate(tmp_path / 'slides', counts=dict(train=2, val=1, test=1), size=64)
    out = tmp_path / 'out'
    bundle = write_bundle(tmp_path / 'bundle')
    assert detplug(['predict', str(bundle), str(tmp_path / 'slides' / 'images'), '--out', str(out)]) == 0
    results = read_results(out)
    assert results.order.queue.name == 'uncertain' and len(results.boxes) > 4
    review = Review(results, out / 'review', results.names, 'reader', Digests(results))
    tab = Tab(review)
    for row, key in enumerate(review.row):
        tab.decide(key, *(('accept',), ('unknown',), ('reject',))[row % 3])
    for number in results.pictures:
        tab.decide(f'n{number}', 'draw', name='Würmer', bbox=[5, 5, 20, 20], picture=number)
        tab.decide(f'f{number}', 'complete')
    review.log.close()
    assert main([str(out), '--write']) == 0
    assert train_on(out / 'review' / 'corrected.json', tmp_path, monkeypatch) == 0, capsys.readouterr().err
    again = read_results(predict_again(tmp_path / 'slides' / 'images', tmp_path))
    assert len(again.pictures) == len(results.pictures) and set(again.names) == {'egg', 'Würmer'}
