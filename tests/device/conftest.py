"""Options of the battery: pytest tests/device --device cuda --all-configs"""

import pytest
from battery_tests import options
from device_cases import every_case, one_of_each


def pytest_addoption(parser):
    group = parser.getgroup('device')
    group.addoption('--device', default='pretend', help='device of the battery: pretend, cuda, cuda:1, ...')
    group.addoption(
        '--all-configs',
        action='store_true',
        help='every config, mode, scorer, sampler and rank selector; otherwise one config a family',
    )


def pytest_generate_tests(metafunc):
    """A test of each stage of each case of the module's families."""
    if 'stage' in metafunc.fixturenames:
        cases = every_case() if options(metafunc.config)[1] else one_of_each()
        cases = [x for x in cases if x.family in metafunc.module.FAMILIES]
        metafunc.parametrize(('case', 'stage'), [(x.name, stage) for x in cases for stage in x.stages])


def pytest_collection_modifyitems(config, items):
    """All configs take longer than a test may: they are run in the first one's fixture."""
    if options(config)[1]:
        for item in items:
            item.add_marker(pytest.mark.timeout(7200))
