"""detplug: a plugin-based detection toolbox on MMDetection 3.x.

from detplug import Detector
Detector('yolov5n').train('data.yaml', minutes=10).predict('slide.jpg')
"""

from typing import TYPE_CHECKING, Any

__version__ = '0.1.0'
__all__ = ['Detector', '__version__']

if TYPE_CHECKING:
    from detplug.api.detector import Detector


def __getattr__(name: str) -> Any:
    """``Detector``, read when it is asked for: ``import detplug`` alone loads nothing."""
    if name == 'Detector':
        from detplug.api.detector import Detector

        return Detector
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
