"""Prediction in shards: every file exactly once, whatever is killed when; other results are never overwritten."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from detplug.cli.main import main
from detplug.errors import ImageError, UserError
from detplug.images.tiled_engine import TiledEngine
from detplug.runtime.detections import Detections
from detplug.runtime.run_folder import open_run
from detplug.runtime.shard import detect
from detplug.runtime.tables import read_table, rows_of, write_table

sys.path.insert(0, str(Path(__file__).parents[1] / 'cli'))
from tiny_bundle import write_bundle, write_pictures  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / 'bundle')


@pytest.fixture
def many(tmp_path) -> Path:
    """A folder with 200 links to two pictures, and a broken file."""
    sources = write_pictures(tmp_path / 'sources')
    folder = tmp_path / 'many'
    folder.mkdir()
    for number in range(200):
        (folder / f'{number:03d}.png').symlink_to(sources[number % 2])
    (folder / '100_broken.png').write_bytes(b'rubbish')
    return folder


def predict(bundle, folder, out, *more) -> int:
    return main(['predict', str(bundle), str(folder), '--out', str(out), '--workers', '1', *map(str, more)])


def names(out: Path) -> list[str]:
    """File names of all finished shards."""
    return [row['file_name'] for path in sorted(out.glob('images-*.parquet')) for row in rows_of(path)]


def boxes(out: Path) -> list[tuple]:
    return [tuple(row.values()) for path in sorted(out.glob('part-*.parquet')) for row in rows_of(path)]


def test_a_run_that_was_stopped_goes_on_without_a_file_lost_or_doubled(bundle, many, tmp_path, monkeypatch, capsys):
    assert predict(bundle, many, tmp_path / 'whole') == 0
    from detplug.runtime import shard

    done = []

    def stops(*words, write=shard.Rows.write):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return write(*words)

    monkeypatch.setattr(shard.Rows, 'write', stops)
    assert predict(bundle, many, tmp_path / 'stopped') == 130
    monkeypatch.undo()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'stopped').glob('part-*.parquet')}
    assert len(before) == 3 and not (tmp_path / 'stopped' / 'predictions.json').exists()
    capsys.readouterr()
    assert predict(bundle, many, tmp_path / 'stopped') == 0
    assert '3 of ' in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert names(tmp_path / 'stopped') == names(tmp_path / 'whole') and len(set(names(tmp_path / 'whole'))) == 201
    assert boxes(tmp_path / 'stopped') == boxes(tmp_path / 'whole')
    texts = [(tmp_path / name / 'predictions.json').read_text() for name in ('whole', 'stopped')]
    assert texts[0] == texts[1]


def started(bundle, folder, out, *more) -> subprocess.Popen:
    """The command in a process of its own, at the head of its group."""
    code = 'import sys; from detplug.cli.main import main; sys.exit(main(sys.argv[1:]))'
    words = ['predict', bundle, folder, '--out', out, *more]
    command = [sys.executable, '-c', code, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize('after', [1, 6])
def test_a_run_killed_in_the_middle_loses_no_file(bundle, many, tmp_path, after):
    process = started(bundle, many, tmp_path / 'out', '--workers', '2')
    while len(list((tmp_path / 'out').glob('images-*.parquet'))) < after:
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = len(names(tmp_path / 'out'))
    assert 0 < before < 201  # of the killed run
    assert predict(bundle, many, tmp_path / 'out') == 0
    assert len(names(tmp_path / 'out')) == len(set(names(tmp_path / 'out'))) == 201


def test_jobs_of_an_array_write_one_run(bundle, many, tmp_path, capsys):
    for part in (1, 2, 3):
        assert predict(bundle, many, tmp_path / 'out', '--shard', f'{part}/3') == 0
        assert (tmp_path / 'out' / 'predictions.json').exists() == (part == 3)
    assert 'left to other jobs' in capsys.readouterr().out
    assert predict(bundle, many, tmp_path / 'whole') == 0
    assert boxes(tmp_path / 'out') == boxes(tmp_path / 'whole')


def test_jobs_of_an_array_that_begin_together_keep_one_another_s_shards(bundle, many, tmp_path):
    jobs = [started(bundle, many, tmp_path / 'out', '--workers', '1', '--shard', f'{part}/4') for part in range(1, 5)]
    assert [job.wait() for job in jobs] == [0] * 4
    assert len(names(tmp_path / 'out')) == len(set(names(tmp_path / 'out'))) == 201
    assert predict(bundle, many, tmp_path / 'whole') == 0
    assert (tmp_path / 'out' / 'predictions.json').read_text() == (tmp_path / 'whole' / 'predictions.json').read_text()


@pytest.mark.parametrize('own', ['pictures/0001_mine.jpg', 'predictions.json', 'part-00000.parquet'])
def test_files_of_somebody_else_are_never_removed_unasked(bundle, many, tmp_path, capsys, own):
    out = tmp_path / 'out'
    (out / own).parent.mkdir(parents=True)
    (out / own).write_text('mine')
    others = [out / name for name in ('mine-00001.parquet', 'pictures/holiday.jpg', 'a.part')]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text('mine')
    assert predict(bundle, many, out) == 2
    assert own in capsys.readouterr().err and (out / own).read_text() == 'mine'
    assert predict(bundle, many, out, '--overwrite') == 0
    assert predict(bundle, many, out, '--overwrite', '--score-thr', 0.5) == 0
    assert all(path.read_text() == 'mine' for path in others)


def test_pictures_in_the_folder_of_the_results_stay(bundle, tmp_path):
    write_pictures(tmp_path / 'out' / 'pictures')
    assert predict(bundle, tmp_path / 'out' / 'pictures', tmp_path / 'out') == 0
    assert {path.name for path in (tmp_path / 'out' / 'pictures').iterdir()} >= {'bright.png', 'dark.png'}


def test_a_region_of_a_slide_that_cannot_be_read_is_listed(monkeypatch):
    class Broken:
        size = (100, 100)

        def read_region(self, *region):
            raise ImageError('a.svs: region 0, 0: not readable')

    class Engine:
        names, fields, device, batch, window = ('x',), (), 'cpu', 1, None

        def __call__(self, images):
            empty = np.zeros((0, 4), np.float32)
            return [Detections(empty, empty[:, 0], empty[:, 0].astype(int), self.names) for _ in images]

    whole, broken = detect(TiledEngine(Engine(), 64, 0.2), [np.zeros((90, 90, 3), np.uint8), Broken()])
    assert len(whole) == 0 and broken == 'a.svs: region 0, 0: not readable'


@pytest.mark.parametrize('words', [['--batch', '4'], ['--overlap', '0.3'], ['--annotations', 'gone.json']])
def test_an_option_without_effect_is_refused_before_anything_is_written(bundle, many, tmp_path, capsys, words):
    assert predict(bundle, many, tmp_path / 'out', *words) == 2
    assert words[0] in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_the_results_of_another_run_are_kept(bundle, many, tmp_path, capsys):
    out = tmp_path / 'out'
    assert predict(bundle, many, out) == 0
    (out / 'notes.txt').write_text('mine')
    before = boxes(out)
    assert predict(bundle, many, out, '--score-thr', 0.5) == 2
    assert 'another run (settings differ)' in capsys.readouterr().err and boxes(out) == before
    assert predict(bundle, many, out, '--score-thr', 0.5, '--overwrite', '--no-pictures') == 0
    assert len(boxes(out)) < len(before) and (out / 'notes.txt').exists()
    assert not list((out / 'pictures').glob('*'))  # of the first run none stays


def test_a_picture_that_changed_is_another_run(bundle, many, tmp_path, capsys):
    assert predict(bundle, many, tmp_path / 'out') == 0
    (many / '100_broken.png').write_bytes(b'rubbish of another size')
    assert predict(bundle, many, tmp_path / 'out') == 2
    assert 'another run (inputs differ)' in capsys.readouterr().err


def test_ray_writes_equal_rows(bundle, many, tmp_path):
    pytest.importorskip('ray.data', reason="ray is not installed: pip install 'detplug[ray]'")
    assert predict(bundle, many, tmp_path / 'whole') == 0
    words = ['predict', bundle, many, '--out', tmp_path / 'ray', '--engine', 'ray', '--workers', 2]
    assert main([str(word) for word in words]) == 0
    assert names(tmp_path / 'ray') == names(tmp_path / 'whole') and boxes(tmp_path / 'ray') == boxes(tmp_path / 'whole')


def test_without_ray_the_cure_is_named(bundle, many, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'ray', None)
    monkeypatch.setitem(sys.modules, 'ray.data', None)
    assert predict(bundle, many, tmp_path / 'out', '--engine', 'ray') == 2
    assert "pip install 'detplug[ray]'" in capsys.readouterr().err


def test_ids_are_those_of_the_annotations(bundle, many, tmp_path, capsys):
    import json

    images = [dict(id=f'i{number}', file_name=f'many/{number:03d}.png') for number in range(199)]
    categories = [dict(id=7, name='egg'), dict(id=90, name='Würmer')]
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=images, annotations=[], categories=categories)))
    assert predict(bundle, many, tmp_path / 'out', '--annotations', tmp_path / 'a.json') == 0
    rows = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert {row['category_id'] for row in rows} == {7, 90}
    assert all(row['image_id'] == f'i{int(Path(row["file_name"]).stem)}' for row in rows)
    errors = read_table(tmp_path / 'out' / 'errors.parquet')
    assert [Path(name).name for name in errors['file_name']] == ['100_broken.png', '199.png']
    assert 'not among the images' in errors['error'][1]
    categories.pop()
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=images, annotations=[], categories=categories)))
    assert predict(bundle, many, tmp_path / 'other', '--annotations', tmp_path / 'a.json') == 2
    assert "no category 'Würmer'" in capsys.readouterr().err


def test_a_table_keeps_its_types(tmp_path):
    columns = dict(a=np.arange(3), f=np.array([0.5, 1, 2], np.float32), t=['ä', None, ''], i=[1, None, 3])
    write_table(tmp_path / 't.parquet', columns)
    assert read_table(tmp_path / 't.parquet') == dict(a=[0, 1, 2], f=[0.5, 1, 2], t=['ä', None, ''], i=[1, None, 3])
    write_table(tmp_path / 'empty.parquet', {})
    assert list(rows_of(tmp_path / 'empty.parquet')) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    def refuse(self, *args, **options):
        raise FileNotFoundError(2, 'No such file or directory', str(self))

    monkeypatch.setattr(Path, 'mkdir', refuse)
    with pytest.raises(UserError, match='--out .*: this folder cannot be made'):
        open_run(tmp_path / 'out', None, None, {})
