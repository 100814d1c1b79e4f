"""Which Pythons the packages are locked for. Python 2 reads this file too, to be told that it is another one."""

PYTHONS = ((3, 11), (3, 12), (3, 13))  # setup.cfg says the same to pip


class SetUpError(Exception):
    """One line: what is missing and how to cure it."""


def check_python(version):
    """Raise SetUpError unless ``version`` (as sys.version_info) is one of PYTHONS."""
    if tuple(version[:2]) not in PYTHONS:
        known = ', '.join([_text(python) for python in PYTHONS])
        cure = 'install one of these and say `make setup PYTHON=/path/to/it`'
        raise SetUpError('Python ' + _text(version) + ': the packages are locked for ' + known + '; ' + cure)


def _text(version):
    return str(version[0]) + '.' + str(version[1])
