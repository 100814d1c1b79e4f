"""The page in a real browser: Chromium of the distribution, driven by Playwright (extra [browser])."""

import json
import os
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from review_process import predict_again, train_on
from review_tabs import predict

from benchmarks.labelled_results import write_results
from plugins.microscopy.review.results import read_results
from plugins.samples.parasites import generate

playwright = pytest.importorskip(
    'playwright.sync_api', reason="no playwright: pip install 'detplug[browser]' tests the page in a browser"
)
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no browser: apt-get install chromium')
HOSTILE = '<img src=x onerror=window.pwned=1>'


@pytest.fixture(scope='module')
def browser():
    with playwright.sync_playwright() as driver:
        options = ['--no-sandbox'] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def window(browser):
    """A window whose tabs share cookies and storage; errors of the page fail the test, as do requests to elsewhere."""
    context = browser.new_context(viewport=dict(width=1300, height=850))
    wrong, asked = [], []
    context.on('weberror', lambda error: wrong.append(str(error.error)))
    context.on('request', lambda request: asked.append(request.url))
    yield context
    context.close()
    assert wrong == [] and all(url.startswith('http://127.0.0.1:') for url in asked)


def open_tab(window, server):
    tab = window.new_page()
    tab.goto(server.address)
    tab.wait_for_selector('.card img')
    return tab


def saved(tab, decided: int) -> None:
    """Wait until so many boxes are decided and everything is on the disk."""
    tab.wait_for_function(
        """n => document.getElementById('count').textContent.startsWith(`${n} of`)
        && document.getElementById('saved').textContent === 'saved'""",
        arg=decided,
    )


def states(server) -> dict[str, dict]:
    return {x['object']: x['after'] for x in server.browser.get('/run').json()['changes']}


def keys_of(server) -> list[str]:
    return [f'b{box[0]}-{box[1]}' for box in server.browser.get('/run').json()['boxes']]


def test_keys_accept_rename_call_unknown_reject_reopen_and_undo(out, serve, window):
    server = serve(out)
    tab, keys = open_tab(window, server), keys_of(server)
    for key in 'axu':
        tab.keyboard.press(key)
    tab.keyboard.press('r')
    tab.keyboard.type('ürm')
    tab.keyboard.press('Enter')
    tab.keyboard.press('2')
    saved(tab, 5)
    found = states(server)
    assert [found[key]['status'] for key in keys[:5]] == ['accepted', 'rejected', 'unknown', 'renamed', 'renamed']
    assert [found[key]['name'] for key in keys[3:5]] == ['Würmer', 'Würmer']
    tab.keyboard.press('z')
    tab.keyboard.press('z')
    saved(tab, 3)
    assert [states(server)[key]['status'] for key in keys[3:5]] == ['open', 'open']
    tab.keyboard.press('Home')
    tab.keyboard.press('o')
    saved(tab, 2)
    assert states(server)[keys[0]]['status'] == 'open'
    tab.reload()  # what was undone stays so, and the tab can go on undoing
    tab.wait_for_selector('.card')
    tab.keyboard.press('z')
    saved(tab, 3)
    assert states(server)[keys[0]]['status'] == 'accepted'


def test_predict_review_train_predict_in_the_browser(tmp_path, serve, window, monkeypatch, capsys):
    slides = generate(tmp_path / 'slides', counts=dict(train=1, val=1, test=1), size=64) / 'images'
    out = predict(tmp_path, paths=[slides])
    server = serve(out)
    tab = open_tab(window, server)
    tab.keyboard.press('f')
    tab.wait_for_function('() => document.getElementById("view").naturalWidth > 0')
    stage = tab.locator('#stage').bounding_box()
    scale = stage['width'] / 64
    tab.mouse.move(stage['x'] + 40 * scale, stage['y'] + 2 * scale)
    tab.mouse.down()
    tab.mouse.move(stage['x'] + 60 * scale, stage['y'] + 12 * scale, steps=3)
    tab.mouse.up()
    tab.keyboard.press('2')
    tab.wait_for_selector('#boxes b.drawn')
    tab.keyboard.press('c')
    tab.wait_for_function('() => document.getElementById("field-note").textContent.includes("complete")')
    drawn = next(state for key, state in states(server).items() if key[0] == 'n')
    assert drawn['name'] == 'Würmer' and drawn['bbox'] == pytest.approx([40, 2, 20, 10], abs=0.3)
    tab.keyboard.press('x')  # the box that was drawn is selected
    tab.wait_for_selector('#boxes b.drawn', state='detached')
    tab.keyboard.press('z')
    tab.wait_for_selector('#boxes b.drawn')
    tab.keyboard.press('Escape')
    for key in 'aaxauaaaa':
        tab.keyboard.press(key)
    saved(tab, 9)
    tab.click('#write')
    tab.wait_for_function('() => document.getElementById("banner").textContent.includes("9 labels in 3 pictures")')
    server.end(signal.SIGTERM)
    assert train_on(out / 'review' / 'corrected.json', tmp_path, monkeypatch) == 0, capsys.readouterr().err
    again = predict_again(slides, tmp_path)
    second = serve(again)
    assert read_results(again).model != read_results(out).model and len(keys_of(second)) > 0
    open_tab(window, second)


def test_two_tabs_see_one_another_and_a_conflict_is_shown(out, serve, window):
    server = serve(out)
    first, second, key = open_tab(window, server), open_tab(window, server), keys_of(server)[0]
    second.route('**/changes*', lambda route: route.abort())  # has not heard yet of what the first decides
    first.keyboard.press('a')
    saved(first, 1)
    second.keyboard.press('x')
    second.wait_for_selector('.card.conflict')
    assert states(server)[key]['status'] == 'accepted'
    text = second.locator('.card.conflict .state').text_content()
    assert 'reject was not made' in text
    assert 'conflicts: 1' in second.locator('#count').text_content()
    second.unroute('**/changes*')
    second.keyboard.press('Home')
    second.keyboard.press('x')  # now it is known
    saved(second, 1)
    first.wait_for_selector('.card.rejected')
    assert states(server)[key]['status'] == 'rejected'


def test_a_killed_server_and_a_closed_tab_lose_nothing(out, serve, window):
    server = serve(out)
    tab, keys = open_tab(window, server), keys_of(server)
    tab.keyboard.press('a')
    saved(tab, 1)
    server.end(signal.SIGKILL)
    for key in 'xu':
        tab.keyboard.press(key)
    tab.wait_for_function('() => document.getElementById("banner").textContent.includes("Decisions that wait: 2")')
    tab.close()
    again = serve(out, '--port', str(server.browser.base_url.port))
    tab = open_tab(window, again)
    saved(tab, 3)
    assert [states(again)[key]['status'] for key in keys[:3]] == ['accepted', 'rejected', 'unknown']
    assert len((out / 'review' / 'audit.jsonl').read_text().splitlines()) == 4


def test_hostile_names_of_files_and_classes_do_nothing(tmp_path, serve, window):
    files = (f'{HOSTILE}.png', '"><script>window.pwned=2<', 'a";window.pwned=3;".png', '${window.pwned=4}.png')
    out = predict(tmp_path, [name if name.endswith('.png') else f'{name}.png' for name in files], ('egg', HOSTILE))
    server = serve(out)
    tab = open_tab(window, server)
    tab.keyboard.press('r')
    tab.keyboard.press('2')
    tab.keyboard.press('f')
    tab.wait_for_function('() => document.getElementById("view").naturalWidth > 0')
    for _ in files:
        tab.keyboard.press(']')
    tab.keyboard.press('Escape')
    saved(tab, 1)
    assert tab.evaluate('window.pwned') is None and tab.locator('img[src="x"], main script').count() == 0
    assert tab.locator('.card .name').first.text_content() in ('egg', HOSTILE)
    assert HOSTILE in tab.locator('#class').text_content()


def test_thousands_of_boxes_are_few_elements(tmp_path, serve, window):
    out = many_boxes(tmp_path)
    server = serve(out)
    tab = open_tab(window, server)
    most = 0
    for key in ['PageDown'] * 20 + ['End'] + ['PageUp'] * 5 + ['Home', 'End']:
        tab.keyboard.press(key)
        most = max(most, tab.locator('.card').count())
    assert 20 < most < 120
    last = f'#box-{len(read_results(out).boxes) - 1}'
    tab.wait_for_selector(f'{last}.selected')
    tab.wait_for_function(f'() => document.querySelector("{last} img").naturalWidth > 0')
    tab.keyboard.press('a')
    saved(tab, 1)
    tab.select_option('#status', 'decided')
    assert tab.locator('.card').count() == 1
    tab.select_option('#status', 'open')
    assert '1 of 5,000' in tab.locator('#count').text_content()


def many_boxes(folder: Path) -> Path:
    """Results of 20 pictures with 250 boxes each."""
    rng, images, annotations = np.random.default_rng(0), [], []
    (folder / 'images').mkdir()
    for number in range(20):
        picture = cv2.resize(rng.integers(0, 255, (24, 32, 3), np.uint8), (640, 480))
        cv2.imwrite(str(folder / 'images' / f'{number:02d}.jpg'), picture)
        images.append(dict(id=number, file_name=f'{number:02d}.jpg'))
        annotations += [
            dict(image_id=number, category_id=1, bbox=[*corner, 30, 30])
            for corner in rng.integers(0, 440, (250, 2)).tolist()
        ]
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='egg'), dict(id=2, name='worm')])
    (folder / 'labels.json').write_text(json.dumps(content))
    assert write_results(folder / 'out', folder / 'images', [folder / 'labels.json']) == 5000
    return folder / 'out'
