"""One reader for each official download that ``detplug prepare_data`` knows; plugins bring more."""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import plugins
from detplug.data.prepare import Prepared
from detplug.data.sources.bccd import read_bccd
from detplug.data.sources.chula_egg11 import read_chula_egg11
from detplug.data.sources.coco2017 import read_coco2017
from detplug.data.sources.malaria import read_malaria
from detplug.data.sources.rf100_parasites import read_rf100_parasites

SOURCES = {
    'coco': read_coco2017,
    'bccd': read_bccd,
    'malaria': read_malaria,
    'chula-egg11': read_chula_egg11,
    'rf100-parasites': read_rf100_parasites,
}


def all_sources() -> dict[str, Callable[[Path], Prepared]]:
    """The host's sources, then ``SOURCES`` of each module ``plugins.NAME.data_sources``.

    The file is looked for before anything of a plugin is imported, so that a plugin without sources costs nothing.
    """
    found = dict(SOURCES)
    for package in pkgutil.iter_modules(plugins.__path__):
        folders = [str(Path(folder) / package.name) for folder in plugins.__path__]
        if PathFinder.find_spec('data_sources', folders) is not None:
            found |= importlib.import_module(f'plugins.{package.name}.data_sources').SOURCES
    return found
