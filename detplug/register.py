"""Importing this module registers every part of the host in mmdet's registries."""

import detplug.data
import detplug.engine
import detplug.evaluation
import detplug.report  # noqa: F401
