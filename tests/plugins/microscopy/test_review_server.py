"""The server: who may come in, what it answers, that names of files and classes stay names."""

import json
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from review_tabs import ADDRESS, TOKEN, Tab
from starlette.testclient import TestClient

from plugins.microscopy.review import server
from plugins.microscopy.review.guard import token_in


def post(client, request, **more):
    return client.post('/decide', json=request, **more)


def test_without_the_token_nothing_is_told(client):
    stranger = TestClient(client.app_of_review, base_url=ADDRESS)
    for path in (
        '/',
        '/run',
        '/crop-0',
        '/review.js',
        '/field-0?x=0&y=0&width=9&height=9',
        '/?token=wrong',
        f'/run?token={TOKEN}',
    ):
        answer = stranger.get(path, follow_redirects=False)
        assert answer.status_code == 403 and 'set-cookie' not in answer.headers and 'egg' not in answer.text, path
    assert post(stranger, Tab(client.review).request('b0-0', 'accept')).status_code == 403
    assert stranger.post('/write').status_code == 403 and client.review.log.records == []


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_have(client):
    answer = TestClient(client.app_of_review, base_url=ADDRESS).get(f'/?token={TOKEN}', follow_redirects=False)
    cookie = answer.headers['set-cookie'].lower()
    assert answer.status_code == 303 and answer.headers['location'] == '/'
    assert 'httponly' in cookie and 'samesite=strict' in cookie


def test_another_name_of_this_machine_and_another_site_are_refused(client):
    for host in ('evil.example:8421', '127.0.0.1', '127.0.0.1:80', 'localhost:8421.evil.example'):
        assert client.get('/run', headers=dict(host=host)).status_code == 421
    request = Tab(client.review).request('b0-0', 'accept')
    for origin in ('http://evil.example', 'null', 'http://127.0.0.1:9', 'https://127.0.0.1:8421'):
        assert post(client, request, headers=dict(origin=origin)).status_code == 403
    as_form = client.post('/decide', content=json.dumps(request), headers={'content-type': 'text/plain'})
    assert as_form.status_code == 415 and client.review.log.records == []
    assert post(client, request, headers=dict(origin=ADDRESS)).status_code == 200


def test_every_answer_has_the_policy(client):
    for path in ('/', '/review.css', '/run', '/crop-0', '/nothing', '/crop-x', '/field-0'):
        headers = client.get(path).headers
        policy = headers['content-security-policy']
        assert "default-src 'none'" in policy and 'unsafe' not in policy and '*' not in policy, path
        assert headers['x-content-type-options'] == 'nosniff' and headers['referrer-policy'] == 'no-referrer'
    assert '<script>' not in client.get('/').text and ' style=' not in client.get('/').text


def test_no_address_leads_to_a_file(client, out):
    for name in (
        '../audit.jsonl',
        '..%2faudit.jsonl',
        '%2e%2e/review.py',
        'page/../server.py',
        'audit.jsonl',
        '.token',
    ):
        for path in (
            f'/{name}',
            f'/crop-{name}',
            f'/field-{name}',
            f'/crop-/{name}',
            '/' + quote(str(out / 'run.json')),
        ):
            assert client.get(path).status_code == 404, path
    for path in ('/crop--1', '/crop-99', '/field-99?x=0&y=0&width=9&height=9', '/field-0?x=-1&y=0&width=9&height=9'):
        assert client.get(path).status_code == 404, path


def test_the_run_is_what_predict_found_the_strangest_first(client, out):
    run, rows = client.get('/run').json(), json.loads((out / 'predictions.json').read_text())
    assert run['order'] == 'strangest' and run['names'] == ['egg', 'Würmer'] and len(run['boxes']) == len(rows) == 9
    assert [box[4] for box in run['boxes']] == sorted((row['ood_scores'] for row in rows), reverse=True)
    names = {picture[0]: picture[1] for picture in run['pictures']}
    shown = {(names[box[0]], run['names'][box[2]], tuple(box[5:9])) for box in run['boxes']}
    assert shown == {(row['file_name'], row['category_name'], tuple(row['bbox'])) for row in rows}


def test_a_value_that_is_no_number_is_sent_as_none(client):
    client.review.results.boxes.value[0] = np.nan
    text = client.get('/run').text
    assert 'NaN' not in text and json.loads(text)['boxes'][0][4] is None


def test_a_crop_shows_its_box_at_its_frame(client, out):
    for index, box in enumerate(client.get('/run').json()['boxes']):
        got = client.get(f'/crop-{index}')
        assert got.headers['content-type'] == 'image/jpeg'
        crop = cv2.imdecode(np.frombuffer(got.content, np.uint8), 1).astype(int)
        picture = cv2.imread(client.review.results.pictures[box[0]].item.name).astype(int)
        (x, y, width, height), (left, top, wide, high, aspect) = box[5:9], box[9:]
        assert crop.shape[1] / crop.shape[0] == pytest.approx(aspect, abs=1e-3)
        x0, y0 = round(x - left * crop.shape[1]), round(y - top * crop.shape[0])
        expected = picture[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]]
        assert np.abs(crop - expected).mean() < 3 < np.abs(np.roll(crop, 2, 1) - expected).mean()
        assert wide * crop.shape[1] == pytest.approx(width, abs=0.1) and high * crop.shape[0] == pytest.approx(
            height, abs=0.1
        )


def test_a_field_is_the_region_that_was_asked_for(client):
    got = client.get('/field-1?x=10&y=5&width=20&height=900').content
    field = cv2.imdecode(np.frombuffer(got, np.uint8), 1).astype(int)
    picture = cv2.imread(client.review.results.pictures[1].item.name).astype(int)
    assert field.shape == (43, 20, 3) and np.abs(field - picture[5:, 10:30]).mean() < 3
    assert client.get('/field-1?x=64&y=0&width=20&height=9').status_code == 410


def test_a_picture_that_is_gone_or_changed_says_so_and_disturbs_no_other(client, out):
    boxes = client.get('/run').json()['boxes']
    gone, changed = (client.review.results.pictures[number].item.path for number in (0, 1))
    gone.unlink()
    cv2.imwrite(str(changed), np.zeros((9, 9, 3), np.uint8))
    for index, box in enumerate(boxes):
        got = client.get(f'/crop-{index}')
        assert got.status_code == (200 if box[0] == 2 else 410)
        if box[0] < 2:
            assert str((gone, changed)[box[0]]) in got.json()['error'] and ('9x9' in got.json()['error']) == (
                box[0] == 1
            )
    assert post(client, Tab(client.review).request('b0-0', 'accept')).json()['after']['status'] == 'accepted'
    assert client.review.log.records[0]['picture_sha256'] == ''


def test_decisions_and_conflicts_and_what_other_tabs_are_told(client):
    one, two = Tab(client.review, 'one'), Tab(client.review, 'two')
    late = two.request('b0-0', 'reject')
    first = post(client, one.request('b0-0', 'accept')).json()
    assert first['seq'] == 1 and first['after']['status'] == 'accepted'
    conflict = post(client, late)
    assert conflict.status_code == 409
    assert conflict.json()['now'] == dict(object='b0-0', after=first['after'], seq=1)
    post(client, one.request('b0-1', 'reject'))
    told = client.get('/changes?since=1').json()
    assert [(x['object'], x['tab'], x['after']['status']) for x in told['changes']] == [('b0-1', 'one', 'rejected')]
    assert told['seq'] == 2 and client.get('/changes?since=2').json()['changes'] == []
    assert client.get('/changes?since=x').status_code == client.get('/changes').status_code == 422
    assert {x['object'] for x in client.get('/run').json()['changes']} == {'b0-0', 'b0-1'}


def test_what_is_no_decision_is_one_line_and_changes_nothing(client):
    for body in (b'', b'{', b'[]', b'1', b'[' * 60000, b'\xff', json.dumps(dict(object='b0-0')).encode()):
        answer = client.post('/decide', content=body, headers={'content-type': 'application/json'})
        assert answer.status_code == 422 and answer.json()['error'], body[:9]
    assert client.post('/decide', content=b'1' * 70000, headers={'content-type': 'application/json'}).status_code == 413
    assert client.get('/decide').status_code == 405 and client.review.log.records == []


def test_a_full_disk_is_said_and_the_decision_can_be_sent_again(client, monkeypatch):
    request = Tab(client.review).request('b0-0', 'accept')

    def full(record):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(client.review.log, 'append', full)
    answer = post(client, request)
    assert answer.status_code == 507 and 'No space left' in answer.json()['error']
    assert client.review.state('b0-0')['status'] == 'open'
    monkeypatch.undo()
    assert post(client, request).json()['seq'] == 1


def test_corrected_json_that_cannot_be_written_is_said(client, monkeypatch):
    def full(*words):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(server, 'write_corrected', full)
    assert 'No space left' in client.post('/write').json()['error']
    assert 'No space left' in client.get('/changes?since=0').json()['error']
    monkeypatch.undo()
    assert client.post('/write').json()['pictures'] == 0 and client.get('/changes?since=0').json()['error'] == ''


def test_the_token_is_the_users_alone_and_the_same_after_a_restart(tmp_path):
    token = token_in(tmp_path)
    assert len(token) >= 32 and token_in(tmp_path) == token
    assert (tmp_path / '.token').stat().st_mode & 0o777 == 0o600
    (tmp_path / '.token').write_text('')
    assert len(token_in(tmp_path)) >= 32


def test_no_file_of_the_page_asks_for_anything_outside():
    for path in server.PAGE.iterdir():
        text = path.read_text().replace('http://www.w3.org/2000/svg', '')
        assert '//' not in text.replace('// ', '') or path.suffix == '.js' and 'http' not in text, path.name
        assert not any(
            word in text for word in ('innerHTML', 'outerHTML', 'insertAdjacent', 'document.write', 'eval(')
        ), path.name
    assert {path.name for path in server.PAGE.iterdir()} == {*server.FILES, 'index.html'}
