"""Operators that only the compiled mmcv has."""

from collections.abc import Callable


def unavailable(name: str) -> Callable:
    """An operator that raises NotImplementedError when it is called: mmcv asserts at import that every name exists.

    Raises:
        AttributeError: ``name`` begins with an underscore and so is no operator.
    """
    if name.startswith('_'):
        raise AttributeError(f"module 'mmcv._ext' has no attribute {name!r}")

    def operator(*args, **kwargs):
        raise NotImplementedError(
            f'mmcv.ops: {name} has no form in plain torch; `make setup OPS=compiled` compiles the operators of mmcv'
        )

    operator.__name__ = name
    return operator
