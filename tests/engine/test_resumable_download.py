"""A download that breaks is continued, and never taken for the whole file."""

import hashlib
import http.server
import threading

import numpy as np
import pytest

from detplug.engine.resumable_download import fetch

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
SHA = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server():
    """A server that can be told to stop in the middle, and whether it knows ranges; it writes down what was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        most, ranges, asked = len(CONTENT), True, []

        def do_GET(self):
            wanted = self.headers.get('Range')
            self.asked.append(wanted)
            start = int(wanted[6:-1]) if wanted and self.ranges else 0
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header('Content-Range', f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}')
            self.send_header('Content-Length', str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : start + self.most])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        Handler.url = f'http://127.0.0.1:{running.server_port}/w.pth'
        yield Handler
        running.shutdown()


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    target = tmp_path / 'deep' / 'w.pth'
    server.most = 100_000
    with pytest.raises(OSError, match='broke after 100000 of 300000 bytes'):
        fetch(server.url, target, SHA)
    assert not target.exists() and (tmp_path / 'deep/w.pth.part').stat().st_size == 100_000
    server.most = len(CONTENT)
    fetch(server.url, target, SHA)
    assert target.read_bytes() == CONTENT and server.asked == [None, 'bytes=100000-']
    assert [path.name for path in target.parent.iterdir()] == ['w.pth']


def test_a_server_without_ranges_gives_all_again(server, tmp_path):
    (tmp_path / 'w.pth.part').write_bytes(CONTENT[:50])
    server.ranges = False
    fetch(server.url, tmp_path / 'w.pth', SHA)
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT


def test_a_part_that_is_complete_is_taken_if_it_is_the_file(server, tmp_path):
    (tmp_path / 'w.pth.part').write_bytes(CONTENT)
    fetch(server.url, tmp_path / 'w.pth', SHA)
    assert (tmp_path / 'w.pth').read_bytes() == CONTENT
    (tmp_path / 'v.pth.part').write_bytes(b'?' * len(CONTENT))
    with pytest.raises(ValueError, match=f'not with {SHA} as its name says'):
        fetch(server.url, tmp_path / 'v.pth', SHA)
    assert not (tmp_path / 'v.pth').exists() and not (tmp_path / 'v.pth.part').exists()


def test_no_server_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError):
        fetch('http://127.0.0.1:9/w.pth', tmp_path / 'w.pth')
