"""Which Pythons the packages are locked for. Python 2 reads this file too, to be told that it is another one."""

PYTHONS = ((3, 11), (3, 12), (3, 13))  # setup.cfg says the same to pip


class SetUpError(Exception):
    """One line: what is missing and how to cure it."""


def check_python(version):
    """Raise SetUpError unless ``version`` (as sys.version_info) is one of PYTHONS."""
    if tuple(version[:2]) not in PYTHONS:
        raise SetUpError(
            'Python {0[0]}.{0[1]}: the packages are locked for {1}; install one of these and say '
            '`make setup PYTHON=/path/to/it`'.format(version, ', '.join('{0}.{1}'.format(*known) for known in PYTHONS))
        )
