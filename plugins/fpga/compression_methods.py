"""What ``detplug compress`` can do by this plugin."""

from detplug.compression.methods import Method

METHODS = {'fpga': Method('int8 with power-of-two scales, all parameters kept')}
