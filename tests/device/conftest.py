"""Options of the battery: pytest tests/device --device cuda --all-configs"""

import os


def pytest_addoption(parser):
    group = parser.getgroup('device')
    group.addoption('--device', default='pretend', help='device of the battery: pretend, cuda, cuda:1, ...')
    group.addoption(
        '--all-configs',
        action='store_true',
        default=bool(os.environ.get('DETPLUG_DEVICE_ALL')),
        help='every config, mode, scorer, sampler and rank selector; otherwise one config a family',
    )
