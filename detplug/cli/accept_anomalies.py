"""The option ``--accept-anomalies`` of the commands that read annotated data."""

import argparse

from mmengine.config import Config


def add_option(parser: argparse.ArgumentParser) -> None:
    """Register the option."""
    parser.add_argument(
        '--accept-anomalies',
        action='store_true',
        help='go on although more than 1 %% of the boxes of a data set have no area inside their image',
    )


def apply_option(config: Config, accept: bool) -> None:
    """Tell the hook, in place."""
    if accept:
        config.default_hooks = dict(
            config.get('default_hooks') or {}, anomalies=dict(type='AnomaliesHook', accept=True)
        )
