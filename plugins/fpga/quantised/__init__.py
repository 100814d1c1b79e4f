"""int8 networks in torch with frozen power-of-two scales: brevitas layers that calibrate and train.

Importing this package needs brevitas, which is the extra [fpga].
"""
