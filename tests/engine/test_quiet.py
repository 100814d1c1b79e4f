"""Laws: known import noise is dropped; anything else that is printed or warned is shown."""

import subprocess
import sys
import warnings

import pytest

from detplug.quiet import quiet_imports


def test_known_prints_are_dropped_and_others_shown(capsys):
    with quiet_imports():
        print('Could not import OneDL. Skipping OneDL datasets.')
        print('something else')
    assert capsys.readouterr().out == 'something else\n'


def test_known_warnings_are_dropped_and_others_shown():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        with quiet_imports():
            warnings.warn('`torch.jit.script` is deprecated. Please switch', DeprecationWarning, stacklevel=1)
            warnings.warn('your disk is on fire', UserWarning, stacklevel=1)
    assert [str(x.message) for x in seen] == ['your disk is on fire']


def test_prints_before_an_error_are_shown(capsys):
    with pytest.raises(ImportError), quiet_imports():
        print('a hint')
        raise ImportError
    assert capsys.readouterr().out == 'a hint\n'


def test_importing_the_engine_says_nothing():
    code = 'import detplug.engine'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('', '')
