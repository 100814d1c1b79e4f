"""Law: what the machine says no to is one line with a cure and exit status 2; a bug keeps its traceback."""

import errno

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from detplug.cli.run import run
from detplug.engine import atomic_file
from detplug.engine.checkpoint import save_atomic
from detplug.engine.non_finite_guard import NonFiniteError
from detplug.errors import UserError


class Broken(torch.utils.data.Dataset):
    """Every item raises, as the reader of a cut-off image does."""

    def __init__(self, kind: type):
        self.kind = kind

    def __len__(self):
        return 4

    def __getitem__(self, index):
        try:
            raise ValueError('what the decoder said')
        except ValueError as error:
            raise self.kind(f'images/{index}.jpg: cut off; copy it again: with a colon') from error


def line_of(function, capsys) -> str:
    assert run(lambda argv: function()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize('kind', [UserError, NonFiniteError])
@pytest.mark.parametrize('workers', [0, 1])
def test_a_bad_image_is_the_same_line_with_loader_processes(kind, workers, capsys):
    line = line_of(lambda: list(DataLoader(Broken(kind), num_workers=workers)), capsys)
    assert line == 'error: images/0.jpg: cut off; copy it again: with a colon'


def test_a_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / 'file').touch()
    for name in ('file', 'file/below'):
        line = line_of(lambda name=name: (tmp_path / name).mkdir(parents=True), capsys)
        assert str(tmp_path / 'file') in line and line.endswith('give another path')


@pytest.mark.parametrize('number', [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_what_the_file_system_refuses_names_the_file(number, capsys):
    def refuse():
        raise OSError(number, 'as the system says it', 'work/last.pth')

    assert line_of(refuse, capsys).startswith('error: work/last.pth: as the system says it; ')


def test_a_full_disk_names_the_checkpoint_and_keeps_the_old_one(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'last.pth'
    save_atomic(dict(step=1), path)
    monkeypatch.setattr(atomic_file, 'open', lambda path, mode: open('/dev/full', mode), raising=False)
    line = line_of(lambda: save_atomic(dict(step=2, weights=torch.zeros(100_000)), path), capsys)
    assert line == f'error: {path}: No space left on device; free some space, or write to another disk'
    assert torch.load(path) == dict(step=1) and list(tmp_path.iterdir()) == [path]


def test_no_memory(capsys):
    def gpu():
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has\n advice')

    assert line_of(gpu, capsys).startswith('error: GPU memory: CUDA out of memory; take smaller batches')
    for allocate in (lambda: torch.zeros(10**14), lambda: np.zeros(10**15)):
        line = line_of(allocate, capsys)
        assert line.startswith('error: memory: ') and 'allocate' in line and 'enforce' not in line


@pytest.mark.parametrize('error', [RuntimeError('shapes differ'), FileNotFoundError(errno.ENOENT, 'gone', 'x')])
def test_a_bug_keeps_its_traceback(error):
    def fail(argv):
        raise error

    with pytest.raises(type(error)):
        run(fail)


def test_an_operator_that_only_compiled_mmcv_has(capsys):
    unavailable = pytest.importorskip('detplug_mmcv_ops.unavailable', reason='operators are compiled').unavailable
    assert line_of(unavailable('carafe_forward'), capsys).startswith('error: mmcv.ops: carafe_forward has no form')


def test_a_form_that_is_not_written_keeps_its_traceback():
    def forward():
        raise NotImplementedError('forward')

    with pytest.raises(NotImplementedError, match='forward'):
        run(lambda argv: forward())
