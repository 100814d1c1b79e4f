"""What ``detplug compress`` can do by this plugin."""

from detplug.compression.methods import Method

METHODS = {
    'tensor_train': Method('chains of smaller convolutions in place of convolutions', default=True),
    'block_influence': Method('without the blocks that change least'),
}
