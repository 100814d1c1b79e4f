"""One reader for each official download that ``detplug prepare_data`` knows; plugins bring more."""

from collections.abc import Callable
from pathlib import Path

from detplug.data.prepare import Prepared
from detplug.data.sources.bccd import read_bccd
from detplug.data.sources.chula_egg11 import read_chula_egg11
from detplug.data.sources.coco2017 import read_coco2017
from detplug.data.sources.malaria import read_malaria
from detplug.data.sources.rf100_parasites import read_rf100_parasites
from detplug.entry_points import plugin_table

SOURCES = {
    'coco': read_coco2017,
    'bccd': read_bccd,
    'malaria': read_malaria,
    'chula-egg11': read_chula_egg11,
    'rf100-parasites': read_rf100_parasites,
}


def all_sources() -> dict[str, Callable[[Path], Prepared]]:
    """The host's sources, then ``SOURCES`` of each module ``data_sources`` of an installed plugin."""
    return plugin_table('data_sources', 'SOURCES', SOURCES)
