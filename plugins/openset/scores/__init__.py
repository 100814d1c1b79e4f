"""Out-of-distribution scores behind one interface (scorer.py), and their calibration to 0..1."""

from .calibration import FEWEST, UNSURE, ClassCDF
from .conformal import ConformalStrangeness
from .distances import KNN, RMD, Mahalanobis, ViM
from .outputs import MSP, Energy, MaxLogit
from .scorer import SCORERS, Head, Scorer
from .shaping import ASHS, VRA, ReAct, VRAPlus, VRAPlusPlus

__all__ = [
    'FEWEST',
    'UNSURE',
    'ClassCDF',
    'ConformalStrangeness',
    'ASHS',
    'KNN',
    'MSP',
    'RMD',
    'SCORERS',
    'VRA',
    'Energy',
    'Head',
    'Mahalanobis',
    'MaxLogit',
    'ReAct',
    'Scorer',
    'VRAPlus',
    'VRAPlusPlus',
    'ViM',
]
