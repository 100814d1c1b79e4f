"""Which rank each layer gets: selectors, one a file, and the budgets that they fit."""

from .activation_energy import ActivationEnergyRanks
from .budget import Budget, LayerCost, allocate, macs_cost, params_cost
from .energy import EnergyRanks
from .latency import latency_cost
from .lwiq import LWIQ
from .selector import CalibrationData, Ranks, RankSelector
from .sensitivity import SensitivityRanks
from .uniform import UniformRanks
from .water_filling import WaterFillingRanks

__all__ = [
    'LWIQ',
    'ActivationEnergyRanks',
    'Budget',
    'CalibrationData',
    'EnergyRanks',
    'LayerCost',
    'RankSelector',
    'Ranks',
    'SensitivityRanks',
    'UniformRanks',
    'WaterFillingRanks',
    'allocate',
    'latency_cost',
    'macs_cost',
    'params_cost',
]
