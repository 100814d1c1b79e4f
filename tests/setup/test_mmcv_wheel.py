"""The compiled mmcv: its key, its place in the cache, and the progress of its compilation."""

import os
import zipfile
from pathlib import Path

import pytest

from tools.set_up import mmcv_wheel
from tools.set_up.prerequisites import SetUpError

NAME = 'onedl_mmcv-2.3.6-cp311-cp311-any.whl'


def test_builds_that_do_not_fit_each_other_have_different_keys(monkeypatch):
    keys = {mmcv_wheel.cache_key(version) for version in ('2.13.0+cpu', '2.13.0+cu130', '2.14.0')}
    keys.add(mmcv_wheel.cache_key('2.13.0+cpu', 'cuda'))
    monkeypatch.setattr('sys.version_info', (3, 12, 0))
    keys.add(mmcv_wheel.cache_key('2.13.0+cpu'))
    monkeypatch.setattr('sysconfig.get_platform', lambda: 'macosx-14.0-arm64')
    keys.add(mmcv_wheel.cache_key('2.13.0+cpu'))
    assert len(keys) == 6
    assert all(Path(key).name == key for key in keys)


def test_the_cache_is_the_users(tmp_path):
    assert mmcv_wheel.cache_root({'XDG_CACHE_HOME': str(tmp_path)}) == tmp_path / 'detplug'
    assert mmcv_wheel.cache_root({}) == Path.home() / '.cache' / 'detplug'


def test_a_copy_that_does_not_end_leaves_no_wheel(tmp_path, monkeypatch):
    wheel = tmp_path / NAME
    wheel.write_bytes(b'wheel')

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', dies)
        with pytest.raises(KeyboardInterrupt):
            mmcv_wheel.keep(wheel, tmp_path / 'cache')
    assert mmcv_wheel.cached(tmp_path / 'cache') is None
    kept = mmcv_wheel.keep(wheel, tmp_path / 'cache')
    assert mmcv_wheel.cached(tmp_path / 'cache') == kept
    assert kept.read_bytes() == b'wheel'


@pytest.mark.parametrize('has_ops', [True, False])
def test_a_wheel_without_compiled_operators_is_refused(tmp_path, has_ops):
    with zipfile.ZipFile(tmp_path / NAME, 'w') as wheel:
        wheel.writestr('mmcv/ops/nms.py', '')
        if has_ops:
            wheel.writestr('mmcv/_ext.cpython-311-x86_64-linux-gnu.so', '')
    if has_ops:
        mmcv_wheel.check_ops(tmp_path / NAME)
    else:
        with pytest.raises(SetUpError, match='without its operators'):
            mmcv_wheel.check_ops(tmp_path / NAME)


def test_progress_counts_files_and_extrapolates_the_time_left():
    now, shown = [0.0], []
    progress = mmcv_wheel.NinjaProgress(shown.append, clock=lambda: now[0])
    noise = ['  running build_ext', 'a.cpp: warning [2/3] of something']
    lines = [noise[0], '  [1/78] c++ -MMD a.cpp', noise[1], '  [39/78] c++ b.cpp', '[78/78] c++ c.cpp']
    for second, line in enumerate(lines):
        now[0] = 100.0 * second
        progress(line)
    assert shown == [
        'compiled 1/78 files',  # no file to judge by
        'compiled 39/78 files, about 3 min left',  # 39 files after 38 files in 200 s
        'compiled 78/78 files, 0 s left',
    ]


def test_progress_in_a_log_is_sparse_and_ends_with_the_last_file():
    shown = []
    progress = mmcv_wheel.NinjaProgress(shown.append, every=8, clock=lambda: 0.0)
    for done in range(1, 79):
        progress(f'[{done}/78] c++ x.cpp\n')
    assert [text.split()[1] for text in shown] == [f'{n}/78' for n in [*range(8, 79, 8), 78]]


def test_jobs_follow_the_user_and_are_at_least_one():
    assert mmcv_wheel.jobs({'MAX_JOBS': '3'}) == 3
    assert mmcv_wheel.jobs({'MAX_JOBS': '0'}) == 1
    assert mmcv_wheel.jobs({}) >= 1
