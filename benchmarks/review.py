"""``detplug review``: 2,000 decisions of two tabs while crops are loaded and the server is killed 20 times.

decisions: that were made. kills: SIGKILL of the server at random moments while decisions are on their way; it is
    started again, and the tabs send again what was not answered, as the page does.
lost: decisions that were acknowledged but are not in the audit log as they were told, plus decisions that were never
    made; doubled: that are in it twice. torn: kills that left a line without its end, which the next start cut off.
p95_ms, median_ms: from sending a decision to its answer, fsync included, of all that were answered while the server
    lived; what waited for a start is not a decision's time. start_s: median from a start to the first answer.
scroll_cpu_ms: processor time of the page's thread a frame while Chromium scrolls through 5,000 crops, each frame a
    quarter of a screen farther; scroll_p95_ms: 95 % quantile of the time between two frames, drawn without a GPU, the
    server on the same cores; cards: most elements of boxes at once. Needs playwright and Chromium (extra [browser]).

python benchmarks/review.py [PART ...]     parts: decisions, scroll; by default both (about 5 minutes)
"""

import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import cv2
import numpy as np
from labelled_results import write_results
from record import RESULTS, record

PICTURES, BOXES, DECISIONS, KILLS, TABS = 200, 25, 2000, 20, 2
COMMAND = [
    sys.executable,
    '-c',
    'import sys; from detplug.cli.main import main; sys.exit(main(sys.argv[1:]))',
    'review',
]
SCROLL = """async () => {
  const gallery = document.getElementById('gallery'), times = [];
  let cards = 0, last = await new Promise(requestAnimationFrame);
  for (let top = 0; top < gallery.scrollHeight; top += gallery.clientHeight / 4) {
    gallery.scrollTop = top;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
    cards = Math.max(cards, document.querySelectorAll('.card').length);
  }
  return [times, cards];
}"""


def main() -> None:
    parts = sys.argv[1:] or ['decisions', 'scroll']
    path = RESULTS / 'review.json'
    figures = json.loads(path.read_text())['figures'] if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        out = results(Path(folder))
        for part in parts:
            figures |= {'decisions': decisions, 'scroll': scroll}[part](out)
    record('review', figures, [0])


def results(folder: Path) -> Path:
    """5,000 boxes in 200 pictures of 640x480."""
    rng, images, annotations = np.random.default_rng(0), [], []
    (folder / 'images').mkdir()
    for number in range(PICTURES):
        name = f'{number:03d}.jpg'
        picture = cv2.resize(rng.integers(0, 255, (24, 32, 3), np.uint8), (640, 480))
        cv2.imwrite(str(folder / 'images' / name), picture)
        images.append(dict(id=number, file_name=name))
        corners = rng.integers(0, 440, (BOXES, 2)).tolist()
        annotations += [dict(image_id=number, category_id=1, bbox=[*corner, 30, 30]) for corner in corners]
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='egg'), dict(id=2, name='worm')])
    (folder / 'labels.json').write_text(json.dumps(content))
    assert write_results(folder / 'out', folder / 'images', [folder / 'labels.json']) == PICTURES * BOXES
    return folder / 'out'


class Server:
    """The command, started again after each kill at the same port.

    Attributes:
        up: set while it answers.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.port, self.token, self.torn = out, 0, '', 0
        self.up, self.starts = threading.Event(), []
        self.start()

    def start(self) -> None:
        """Wait until it answers."""
        began = time.perf_counter()
        words = [*COMMAND, str(self.out), '--port', str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        while not (
            match := re.match(r'open http://127\.0\.0\.1:(\d+)/\?token=(\S+)', line := self.process.stdout.readline())
        ):
            assert line, 'the server did not start'
            self.torn += 'was cut off' in line
        self.port, self.token = int(match[1]), match[2]
        connection = self.connect()
        self.run = json.loads(ask(connection, self, 'GET', '/run')[1])
        self.starts.append(time.perf_counter() - began)
        self.up.set()

    def kill(self) -> None:
        """SIGKILL, then a new start."""
        self.up.clear()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def connect(self) -> HTTPConnection:
        """A connection of a tab."""
        return HTTPConnection('127.0.0.1', self.port, timeout=60)


def ask(connection: HTTPConnection, server: Server, method: str, path: str, body=None) -> tuple[int, bytes]:
    """Status and content of an answer."""
    headers = {'cookie': f'detplug_review_{server.port}={server.token}', 'content-type': 'application/json'}
    connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def until_answered(server: Server, *words) -> tuple[bytes, float]:
    """Content of the answer, however often the server is killed before, and the seconds of the try that got it."""
    while True:
        server.up.wait()
        try:
            connection = server.connect()
            began = time.perf_counter()
            status, content = ask(connection, server, *words)
            seconds = time.perf_counter() - began
            connection.close()
            assert status == 200, content
            return content, seconds
        except (OSError, HTTPException):
            time.sleep(0.02)


def decide(
    server: Server, tab: int, objects: list[str], acknowledged: list[dict], seconds: list[float], ids: list[str]
) -> None:
    """A tab: a decision on each of its objects."""
    rng = random.Random(tab)
    for number, key in enumerate(objects):
        action = rng.choice(['accept', 'unknown', 'reject', 'rename'])
        request = dict(
            run=server.run['run'], id=f'{tab}-{number}', tab=f'tab{tab}', object=key, action=action, name='worm'
        )
        ids.append(request['id'])
        content, time_taken = until_answered(server, 'POST', '/decide', request | dict(action=action, revision=0))
        acknowledged.append(json.loads(content))
        seconds.append(time_taken)


def load(server: Server, stopped: threading.Event) -> None:
    """What the gallery does meanwhile: crops, one after the other."""
    for row in range(10**6):
        if stopped.wait(0.03):
            return
        until_answered(server, 'GET', f'/crop-{row % (PICTURES * BOXES)}')


def decisions(out: Path) -> dict[str, float]:
    """Two tabs decide, a third thread loads crops, this one kills."""
    server, rng, stopped = Server(out), random.Random(0), threading.Event()
    keys = [f'b{box[0]}-{box[1]}' for box in server.run['boxes']][:DECISIONS]
    acknowledged, seconds, ids = [], [], []
    tabs = [
        threading.Thread(target=decide, args=(server, i, keys[i::TABS], acknowledged, seconds, ids))
        for i in range(TABS)
    ]
    loader = threading.Thread(target=load, args=(server, stopped))
    for thread in (*tabs, loader):
        thread.start()
    for number in range(1, KILLS + 1):
        while len(acknowledged) < number * DECISIONS / (KILLS + 1):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        server.kill()
    for thread in tabs:
        thread.join()
    stopped.set()
    loader.join()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait()
    lines = [json.loads(line) for line in (out / 'review' / 'audit.jsonl').read_text().splitlines()[1:]]
    logged = {line['id']: line for line in lines}
    wrong = [
        x for x in acknowledged if any(logged.get(x['id'], {}).get(key) != x[key] for key in ('seq', 'object', 'after'))
    ]
    shutil.rmtree(out / 'review')
    ordered = sorted(seconds)
    return {
        'decisions': len(logged), 'kills': KILLS, 'lost': len(wrong) + len(set(ids) - {x['id'] for x in acknowledged}),
        'doubled': len(lines) - len(logged), 'torn': server.torn,
        'p95_ms': 1000 * ordered[int(0.95 * len(ordered))], 'median_ms': 1000 * statistics.median(seconds),
        'start_s': statistics.median(server.starts),
    }  # fmt: skip


def scroll(out: Path) -> dict[str, float]:
    """Frames of a real browser."""
    from playwright.sync_api import sync_playwright

    server = Server(out)
    with sync_playwright() as driver:
        options = ['--no-sandbox'] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=shutil.which('chromium'), args=options)
        tab = browser.new_page(viewport=dict(width=1300, height=850))
        tab.goto(f'http://127.0.0.1:{server.port}/?token={server.token}')
        tab.wait_for_selector('.card img')
        devtools = tab.context.new_cdp_session(tab)
        devtools.send('Performance.enable', dict(timeDomain='threadTicks'))
        before = busy(devtools)
        times, cards = tab.evaluate(SCROLL)
        cpu = 1000 * (busy(devtools) - before) / len(times)
        browser.close()
    server.process.kill()
    server.process.wait()
    shutil.rmtree(out / 'review')
    late = sorted(times)[int(0.95 * len(times))]
    return {'boxes': PICTURES * BOXES, 'scroll_cpu_ms': cpu, 'scroll_p95_ms': late, 'cards': cards}


def busy(devtools) -> float:
    """Seconds that the page's thread has worked."""
    metrics = devtools.send('Performance.getMetrics')['metrics']
    return next(row['value'] for row in metrics if row['name'] == 'TaskDuration')


if __name__ == '__main__':
    main()
