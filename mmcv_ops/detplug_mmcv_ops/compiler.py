"""What mmcv's report of the environment asks its operators."""


def get_compiler_version() -> str:
    return 'none (operators in plain torch)'


def get_compiling_cuda_version() -> str:
    return 'not available'
