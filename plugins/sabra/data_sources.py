"""Downloads that ``detplug prepare_data`` turns into files of relations; the host finds this table by its name."""

from .data.hico_det import read_hico_det
from .data.vcoco import read_vcoco
from .data.vrd import read_vrd

SOURCES = {'hico-det': read_hico_det, 'vcoco': read_vcoco, 'vrd': read_vrd}
