"""int8 networks in torch with one frozen power-of-two scale a tensor: brevitas layers that calibrate and train.

Importing this package needs brevitas, which is the extra [fpga].
"""
