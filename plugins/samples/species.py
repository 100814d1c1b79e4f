"""The species of the sample slides: sizes, outlines, shells, contents and frequencies, as plain data.

Lengths are micrometres (um), from textbook ranges of human intestinal helminth eggs. Optical density is
-log(transmitted light); ``pigment`` is bile colour (absorbs blue most), ``grey`` is unstained tissue.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outline:
    """The border of an egg whose long axis is x; a front end (+x) and a back end (-x)."""

    power: float = 2.0  # 2 is an ellipse, more is boxier
    taper: float = 0.0  # relative widening at +x, narrowing at -x
    flat: float = 1.0  # half width of one long side relative to the other (1: symmetric)
    bumps: int = 0  # mammillations around the coat
    bump_um: float = 0.0  # their height
    shoulder_um: float = 0.0  # ridge at the seat of the lid
    plug_um: float = 0.0  # hyaline plug at both poles: its length
    spine_um: float = 0.0  # lateral spine near the back end: its length
    knob_um: float = 0.0  # knob at the back end: its diameter


@dataclass(frozen=True)
class Shell:
    """The wall: outer contour, wall and inner contour (the double contour of refractile shells)."""

    thickness_um: float
    pigment: float  # density of the wall
    contour: float  # density of its dark lines
    glint: float = 0.1  # brightness of the middle of the wall and of the halo outside
    striations: int = 0  # radial lines around the wall
    coat_um: float = 0.0  # rough outer layer, outside the wall
    lid: float = 0.0  # position of the operculum along the half length, 0: none
    back_um: float = 0.0  # thickening of the wall at the back end


@dataclass(frozen=True)
class Species:
    """One class of the data set."""

    name: str
    length_um: float
    width_um: float
    train_boxes: int  # boxes in the training split of default size
    shell: Shell
    contents: str  # a key of contents.DRAWERS
    outline: Outline = field(default_factory=Outline)
    pigment: float = 0.0  # density of the contents
    grey: float = 0.0
    haze: float = 0.05  # pigment over the whole egg
    known: bool = True
    spread: float = 0.05  # relative standard deviation of length and width


SPECIES = (
    Species(
        'ascaris',
        62,
        47,
        250,
        Shell(2.8, 0.36, 0.75, 0.16, coat_um=3.2),
        'single_cell',
        Outline(bumps=24, bump_um=1.8),
        pigment=0.50,
        grey=0.16,
        haze=0.10,
    ),
    Species(
        'trichuris',
        51,
        25,
        180,
        Shell(3.0, 0.62, 0.85, 0.12),
        'granular',
        Outline(power=1.9, plug_um=5.0),
        pigment=0.34,
        grey=0.10,
        haze=0.16,
    ),
    Species('hookworm', 63, 42, 130, Shell(1.1, 0.03, 0.70, 0.16), 'blastomeres', pigment=0.14, grey=0.50, haze=0.02),
    Species(
        'enterobius',
        58,
        26,
        95,
        Shell(1.9, 0.04, 0.72, 0.18),
        'larva',
        Outline(power=2.1, flat=0.38),
        pigment=0.08,
        grey=0.48,
        haze=0.03,
    ),
    Species(
        'opisthorchis',
        33,
        18,
        65,
        Shell(1.5, 0.40, 0.80, 0.14, lid=0.68),
        'yolk',
        Outline(taper=-0.2, shoulder_um=1.5, knob_um=2.6),
        pigment=0.42,
        grey=0.18,
        haze=0.16,
    ),
    Species(
        'taenia',
        37,
        35,
        40,
        Shell(6.0, 0.62, 0.75, 0.05, striations=34),
        'hooklets',
        pigment=0.22,
        grey=0.22,
        haze=0.12,
        spread=0.035,
    ),
    Species(
        'fasciolopsis',
        128,
        78,
        24,
        Shell(1.5, 0.10, 0.62, 0.15, lid=0.90),
        'yolk',
        Outline(power=2.1),
        pigment=0.26,
        grey=0.15,
        haze=0.09,
    ),
    Species(
        'schistosoma',
        146,
        56,
        5,
        Shell(1.7, 0.12, 0.66, 0.15),
        'miracidium',
        Outline(power=1.9, taper=-0.12, spine_um=23),
        pigment=0.22,
        grey=0.17,
        haze=0.10,
    ),
    Species(
        'paragonimus',
        86,
        52,
        28,
        Shell(2.6, 0.30, 0.75, 0.15, lid=0.78, back_um=2.6),
        'yolk',
        Outline(power=2.1, taper=0.12, shoulder_um=1.6),
        pigment=0.36,
        grey=0.18,
        haze=0.14,
        known=False,
    ),
    Species(
        'hymenolepis',
        47,
        39,
        28,
        Shell(1.4, 0.04, 0.70, 0.16),
        'oncosphere',
        pigment=0.12,
        grey=0.40,
        haze=0.03,
        known=False,
    ),
)
KNOWN = tuple(s.name for s in SPECIES if s.known)
UNKNOWN = tuple(s.name for s in SPECIES if not s.known)
