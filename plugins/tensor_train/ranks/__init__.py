"""Which rank each layer gets: selectors, one a file, and the budgets that they fit."""

from . import latency
from .activation_energy import ActivationEnergyRanks
from .budget import Budget, allocate, layer_cost, params_cost
from .energy import EnergyRanks
from .imprinted_sensitivity import ImprintedSensitivityRanks
from .lwiq import LWIQ
from .selector import CalibrationData, LayerCost, Ranks, RankSelector
from .sensitivity import SensitivityRanks
from .uniform import UniformRanks
from .water_filling import WaterFillingRanks

__all__ = [
    'LWIQ',
    'ActivationEnergyRanks',
    'Budget',
    'CalibrationData',
    'EnergyRanks',
    'ImprintedSensitivityRanks',
    'LayerCost',
    'RankSelector',
    'Ranks',
    'SensitivityRanks',
    'UniformRanks',
    'WaterFillingRanks',
    'allocate',
    'latency',
    'layer_cost',
    'params_cost',
]
