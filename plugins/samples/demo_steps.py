"""The pictures that the demo works on."""

from pathlib import Path

from detplug.cli.demo_step import Demo, DemoStep, StepResult

SHOWN = 6  # pictures


def slides(demo: Demo) -> StepResult:
    """Slides with the eggs of ten species, two of which have no name in training."""
    from .parasites import generate

    text = 'Generated slides with the eggs of ten species; the detector learns the names of eight.'
    return _result(generate(demo.data / 'parasite_samples'), text)


def scenes(demo: Demo) -> StepResult:
    """Scenes of persons and what they do with things."""
    from .scenes import generate

    text = 'Generated scenes of persons who ride, hold, carry, sit on and look at things.'
    return _result(generate(demo.data / 'relation_samples'), text)


def _result(folder: Path, text: str) -> StepResult:
    pictures = sorted((folder / 'images').glob('test_*.jpg'))[:SHOWN]
    return StepResult(
        made={'images': folder / 'images', 'annotations': folder / 'annotations'},
        text=text,
        files={'all pictures': folder / 'images', 'their annotations': folder / 'annotations'},
        pictures=pictures,
    )


STEPS = {
    'slides': DemoStep('draw sample slides', slides),
    'scenes': DemoStep('draw sample scenes', scenes),
}
