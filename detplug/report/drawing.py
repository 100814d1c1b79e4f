"""Boxes drawn on a picture, readable from one object to hundreds."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import supervision as sv

from detplug.report.colours import BLACK, Colour, class_colour, text_colour

FONT = f'{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf'  # knows more letters than OpenCV's fonts
UNKNOWN = 'unknown'  # the class that an open-set model adds: black and white dashes, as no known class has
MAX_LABELS = 40  # boxes; with more of them thin frames and one legend are drawn


def draw_boxes(
    image_bgr: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray | None,
    classes: Sequence[str],
    max_labels: int = MAX_LABELS,
) -> np.ndarray:
    """A copy of the picture with frames in the colour of their class, and names where they stay readable.

    Args:
        image_bgr: (H, W, 3) or (H, W) uint8.
        boxes: (N, 4) xyxy pixels; parts outside the picture are cut off.
        labels: (N,) int; a label beyond ``classes`` is shown as its number, a negative one in grey
            as 'ignored'.
        scores: (N,) 0 .. 1, written behind the names; None for the truth.
        max_labels: with more boxes than this the frames are one pixel wide and a legend in the upper
            left corner names the classes and counts their boxes.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    picture = np.ascontiguousarray(image_bgr if image_bgr.ndim == 3 else np.repeat(image_bgr[..., None], 3, axis=2))
    picture = picture.copy()
    count = len(boxes)
    if count == 0:
        return picture
    labels = np.asarray(labels, np.int64)
    order = np.arange(count) if scores is None else np.argsort(scores, kind='stable')  # the best on top
    used, colour_index = np.unique(labels[order], return_inverse=True)
    colours = [BLACK if _name(int(label), classes) == UNKNOWN else class_colour(int(label)) for label in used]
    strange = [_name(int(label), classes) == UNKNOWN for label in labels[order]]
    height, width = picture.shape[:2]
    found = sv.Detections(
        xyxy=np.asarray(boxes, np.float32)[order].clip(0, (width - 1, height - 1) * 2), class_id=colour_index
    )
    short = min(height, width)
    if count > max_labels:
        picture = sv.BoxAnnotator(_palette(colours), thickness=1).annotate(picture, found)
        _dash(picture, found.xyxy[strange], 1)
        texts = [f'{_name(int(k), classes)}: {n}' for k, n in zip(used, np.bincount(colour_index), strict=True)]
        return write_labels(picture, _legend_places(len(used), short), texts, colours)
    thickness = max(1, round(short / 320))
    picture = sv.BoxAnnotator(_palette(colours), thickness).annotate(picture, found)
    _dash(picture, found.xyxy[strange], thickness)
    texts = [_name(int(label), classes) for label in labels[order]]
    if scores is not None:
        texts = [f'{text} {score:.2f}' for text, score in zip(texts, np.asarray(scores)[order], strict=True)]
    return write_labels(picture, found, texts, colours)


def _dash(picture: np.ndarray, boxes: np.ndarray, thickness: int, length: int = 5) -> None:
    """White dashes on the frames of (N, 4) boxes, in place."""
    rows, columns = (np.arange(n) // length % 2 == 0 for n in picture.shape[:2])
    for x1, y1, x2, y2 in boxes.astype(int):
        for y in (y1, y2 - thickness + 1):
            picture[max(y, 0) : y + thickness, x1:x2][:, columns[x1:x2]] = 255
        for x in (x1, x2 - thickness + 1):
            picture[y1:y2, max(x, 0) : x + thickness][rows[y1:y2]] = 255


def write_labels(
    picture: np.ndarray, places: sv.Detections, texts: Sequence[str], colours: Sequence[Colour]
) -> np.ndarray:
    """Write ``texts`` above the upper left corners of ``places``, whose ``class_id`` points into ``colours`` (RGB)."""
    short = min(picture.shape[:2])
    annotator = sv.RichLabelAnnotator(
        _palette(colours),
        text_color=_palette([text_colour(c) for c in colours]),
        font_path=FONT,
        font_size=_font_size(short),
        text_padding=2,
    )
    # A label above or beyond the edge of the picture could not be read.
    line = annotator.font.getbbox('Tg')[3] + 4
    widths = np.array([annotator.font.getlength(text) + 5 for text in texts])
    places.xyxy[:, 1] = places.xyxy[:, 1].clip(line, picture.shape[0])
    places.xyxy[:, 0] = np.minimum(places.xyxy[:, 0], picture.shape[1] - widths).clip(min=0)
    return np.ascontiguousarray(annotator.annotate(picture, places, texts))


def _legend_places(rows: int, short: int) -> sv.Detections:
    top = (np.arange(rows) + 1) * (_font_size(short) + 8.0)
    return sv.Detections(xyxy=np.stack([0 * top, top, 0 * top + 1, top + 1], axis=1), class_id=np.arange(rows))


def _font_size(short: int) -> int:
    return max(9, round(short / 40))


def _palette(colours: Sequence[Colour]) -> sv.ColorPalette:
    return sv.ColorPalette([sv.Color(*colour) for colour in colours])


def _name(label: int, classes: Sequence[str]) -> str:
    if label < 0:
        return 'ignored'
    return classes[label] if label < len(classes) else str(label)
