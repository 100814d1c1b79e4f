"""CCE, class control and embedding: class_control.py (how often), library.py (what), embedding.py (how), transform.py.

The idea, the equal blend and the appended label are the paper's (arXiv 2408.12355); the rest is ours and says so.
"""

from .class_control import draw_probabilities, effective_number
from .embedding import Crop, EmbedRule, cut_out, embed
from .library import ForegroundLibrary
from .transform import CategoryControlEmbed

__all__ = [
    'CategoryControlEmbed',
    'Crop',
    'EmbedRule',
    'ForegroundLibrary',
    'cut_out',
    'draw_probabilities',
    'effective_number',
    'embed',
]
