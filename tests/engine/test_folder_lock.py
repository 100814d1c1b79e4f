"""A work folder belongs to one training process, until that ends in whatever way."""

import subprocess
import sys

import pytest

from detplug.engine.folder_lock import only_training
from detplug.errors import UserError

HOLDER = """
import sys, time
from pathlib import Path
from detplug.engine.folder_lock import only_training
with only_training(Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen([sys.executable, '-c', HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        yield process
        process.kill()


def test_a_second_process_is_refused_in_one_line_until_the_first_is_killed(holder, tmp_path):
    with pytest.raises(UserError, match='another training is writing there; wait') as error, only_training(tmp_path):
        pytest.fail('two trainings in one folder')
    assert str(error.value).startswith(f'{tmp_path}: ') and '\n' not in str(error.value)
    with only_training(tmp_path / 'other'):
        pass
    holder.kill()
    holder.wait()
    with only_training(tmp_path):
        pass


def test_a_training_that_failed_leaves_its_folder_free(tmp_path):
    with pytest.raises(KeyError), only_training(tmp_path):
        raise KeyError
    with only_training(tmp_path):
        pass
