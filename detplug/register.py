"""Importing this module registers every part of the host in mmdet's registries."""

import detplug.engine  # first: it keeps the console clean while mmdet is imported  # isort: skip
import detplug.data
import detplug.evaluation
import detplug.report  # noqa: F401
