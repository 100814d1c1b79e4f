"""The audit log: on the disk before it is told, repaired after any interruption, no line changed unseen."""

import json
import os

import pytest

from detplug.errors import UserError
from plugins.microscopy.review import audit_log
from plugins.microscopy.review.audit_log import AuditLog

RUN = dict(run='r' * 64, model='m', config='c', thresholds=dict(score_thr=0.25))


def write(folder, count: int) -> list[dict]:
    log = AuditLog(folder, RUN)
    records = [dict(seq=i, name='Würmer " \n \u2028') for i in range(1, count + 1)]
    for record in records:
        log.append(record)
    log.close()
    return records


def read(folder, run=RUN) -> tuple[list[dict], int]:
    log = AuditLog(folder, run)
    log.close()
    return log.records, log.repaired


def test_what_is_written_is_read_again(tmp_path):
    assert read(tmp_path) == ([], 0)
    records = write(tmp_path, 5)
    assert read(tmp_path) == (records, 0)
    assert all(line.isascii() for line in (tmp_path / 'audit.jsonl').read_text().splitlines())


def test_a_cut_at_any_byte_loses_the_torn_line_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log.os, 'fsync', lambda file: None)  # 2,000 of them, and the files are cut by hand here
    records = write(tmp_path, 3)
    path = tmp_path / 'audit.jsonl'
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = max(0, whole[:size].count(b'\n') - 1)
        found, repaired = read(tmp_path)
        assert found == records[:kept] and repaired == size - (whole[:size].rfind(b'\n') + 1)
        more = write(tmp_path, 1)  # goes on where it was cut
        assert read(tmp_path) == (records[:kept] + more, 0)


@pytest.mark.parametrize('change', [
    lambda lines: [lines[0], lines[1].replace(b'"seq": 1', b'"seq": 7'), *lines[2:]],
    lambda lines: [*lines[:2], *lines[3:]],
    lambda lines: [*lines[:2], lines[1], *lines[2:]],
    lambda lines: [*lines[:2], b'{}\n', *lines[2:]],
    lambda lines: [*lines[:2], b'[1]\n', *lines[2:]],
    lambda lines: [*lines[:2], b'\0\0\n', *lines[2:]],
])  # fmt: skip
def test_a_line_that_was_changed_removed_or_put_in_is_named(tmp_path, change):
    write(tmp_path, 4)
    path = tmp_path / 'audit.jsonl'
    path.write_bytes(b''.join(change(path.read_bytes().splitlines(keepends=True))))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r'audit\.jsonl: line 3: not as it was written'):
        AuditLog(tmp_path, RUN)
    assert path.read_bytes() == before
    with pytest.raises(UserError, match='line 3'):  # and nobody holds it
        AuditLog(tmp_path, RUN)


def test_nobody_is_told_before_the_disk_has_it(tmp_path, monkeypatch):
    log, synced = AuditLog(tmp_path, RUN), []

    def fsync(file, real=os.fsync):
        real(file)
        synced.append(log.path.read_bytes())

    monkeypatch.setattr(audit_log.os, 'fsync', fsync)
    log.append(dict(seq=1))
    assert len(synced) == 1 and json.loads(synced[0].splitlines()[-1])['seq'] == 1
    log.close()


@pytest.mark.parametrize('fault', ['write', 'short', 'fsync'])
def test_a_full_disk_leaves_the_log_as_it_was(tmp_path, monkeypatch, fault):
    write(tmp_path, 2)
    log = AuditLog(tmp_path, RUN)
    before = log.path.read_bytes()

    def full(*words):
        raise OSError(28, 'No space left on device')

    if fault == 'short':
        monkeypatch.setattr(audit_log.os, 'write', lambda file, line, real=os.write: real(file, line[:7]))
    else:
        monkeypatch.setattr(audit_log.os, fault, full)
    with pytest.raises(OSError, match='No space'):
        log.append(dict(seq=3))
    monkeypatch.undo()
    assert log.path.read_bytes() == before and len(log.records) == 2
    log.append(dict(seq=3))
    log.close()
    assert [record['seq'] for record in read(tmp_path)[0]] == [1, 2, 3]


def test_one_process_holds_it_and_another_run_does_not_go_on_in_it(tmp_path):
    log = AuditLog(tmp_path, RUN)
    with pytest.raises(UserError, match='another process'):
        AuditLog(tmp_path, RUN)
    log.close()
    with pytest.raises(UserError, match='review of another run; move'):
        AuditLog(tmp_path, RUN | dict(run='s' * 64))
    assert read(tmp_path) == ([], 0)
