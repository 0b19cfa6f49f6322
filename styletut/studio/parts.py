"""What the studio shows beside its controls, as pieces of HTML: pictures, loss curves, cards of the history."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from .. import images, samples
from ..cli.printing import format_value
from ..errors import printable
from ..teach.curves import TERMS
from .model import Message, Painting, Settings, differences

THUMBNAIL = 112  # pixels: of samples, twice what they are shown at
CARD = 240  # pixels
POINTS = 150  # of a loss curve
LARGEST_LINK = 30_000_000  # bytes of a file that is put into the page to be downloaded


@cache
def style_sheet() -> str:
    """The studio's style, with the samples' pictures."""
    css = files(__package__).joinpath("studio.css").read_text(encoding="utf-8")
    for name in samples.names():
        picture = images.to_pil(samples.load(name, THUMBNAIL))
        css += f".styletut-sample-{name}{{background-image:url({data_uri(picture)})}}\n"
    return f"<style>{css}</style>"


def data_uri(picture: Image.Image, quality: int = 85) -> str:
    """A picture as JPEG within an address."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def picture(image: Image.Image, alt: str) -> str:
    """A picture."""
    return f'<img src="{data_uri(image)}" alt="{escaped(alt)}" decoding="sync" draggable="false">'


def escaped(text: object) -> str:
    """A text as HTML."""
    return html.escape(printable(str(text)))


def easel(painting: Painting | None, settings: Settings) -> str:
    """The large picture: what is painted, or before that what it will be made of."""
    if painting is not None and painting.preview is not None:
        return f'<figure class="easel">{picture(painting.preview, "The picture so far")}</figure>'
    given = [(settings.content, "photograph")] + [(style.source, "painting") for style in settings.styles]
    shown = [
        f"<figure>{picture(source.small, source.name)}<figcaption>{escaped(source.name)}</figcaption></figure>"
        for source, _ in given
        if source is not None
    ]
    missing = [what for source, what in given if source is None] + ([] if settings.styles else ["painting"])
    shown += [f'<figure class="empty"><span>Choose a {what}</span></figure>' for what in missing]
    return f'<div class="pair">{"".join(shown)}</div>'


def status(painting: Painting | None, state: str, estimate: object, message: Message) -> str:
    """How far it is, what it will cost, and what there is to say."""
    lines = []
    if painting is not None and state != "ready":
        done, steps = len(painting.rows), painting.steps
        lines.append(
            f'<progress max="{steps}" value="{done}" aria-label="Steps"></progress>'
            f'<p class="numbers">{"".join(f"<span>{escaped(text)}</span>" for text in _numbers(painting, state))}</p>'
        )
    if estimate is not None and state in ("ready", "done"):
        lines.append(f'<p class="cost">{escaped(estimate)}</p>')
    if message.text:
        kind = "error" if message.error else "note"
        lines.append(f'<p class="{kind}" role="{"alert" if message.error else "status"}">{escaped(message.text)}</p>')
    return "".join(lines)


def _numbers(painting: Painting, state: str) -> list[str]:
    rows, steps = painting.rows, painting.steps
    told = [f"{state} {painting.number}", f"step {len(rows)} of {steps}"]
    if rows:
        last = rows[-1]
        told += [f"{last['size'][1]} × {last['size'][0]}", f"loss {last['losses']['total']:.4g}"]
        told.append(_time(last["seconds"]))
        if state == "painting":
            told.append(f"about {_time(last['seconds'] / len(rows) * (steps - len(rows)))} left at this pace")
    return told


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def curves(rows: Sequence[Mapping[str, Any]]) -> str:
    """The losses by step on a log scale, a line for each term; layers of a term are added up. Empty at first."""
    if len(rows) < 2:
        return ""
    every = math.ceil(len(rows) / POINTS)
    kept = [i for i in range(len(rows)) if i % every == 0 or i == len(rows) - 1]
    terms = {i: _terms(rows[i]["losses"]) for i in kept}
    logs = [math.log(loss) for losses in terms.values() for loss in losses.values() if 0 < loss < math.inf]
    if not logs:
        return ""
    high = max(logs)
    low = max(min(logs), high - math.log(1e5))  # a term that hardly counts must not press the others together
    lines, names = [], [name for name in TERMS if any(name in losses for losses in terms.values())]
    for name in names:
        for scale in sorted({rows[i]["scale"] for i in kept}):  # losses of two sizes are not one line
            spots = [
                (596 * i / (len(rows) - 1) + 2, 116 - 112 * (math.log(terms[i][name]) - low) / ((high - low) or 1))
                for i in kept
                if rows[i]["scale"] == scale and math.exp(low) <= terms[i].get(name, 0) < math.inf
            ]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            lines.append(f'<polyline class="{name}" points="{points}"/>' if len(spots) > 1 else "")
    last = terms[kept[-1]]
    keys = "".join(f'<li class="{name}">{_WORDS[name]} <b>{last[name]:.3g}</b></li>' for name in names if name in last)
    told = ", ".join(f"{_WORDS[name]} {last[name]:.3g}" for name in names if name in last)
    return (
        f'<svg viewBox="0 0 600 120" preserveAspectRatio="none" role="img" aria-label="Losses by step on a log scale, '
        f'now {told}">{"".join(lines)}</svg><ul class="keys">{keys}</ul>'
    )


_WORDS = {"total": "total", "content": "content", "style": "style", "tv": "smoothness"}


def _terms(losses: Mapping[str, float]) -> dict[str, float]:
    """The losses of each term: ``style/relu1_1`` and the like are added up."""
    sums: dict[str, float] = {}
    for name, loss in losses.items():
        term = name.partition("/")[0]
        sums[term] = sums.get(term, 0.0) + loss
    return sums


def card(painting: Painting, state: str) -> str:
    """A painting of the history: its picture, what it is made of, and what differs from the named recipe."""
    shown = "" if painting.preview is None else picture(_shrunk(painting.preview, CARD), painting.title)
    settings = painting.settings
    made_of = [settings.content.name if settings.content else "", *(style.source.name for style in settings.styles)]
    if painting.result is None:
        told = state
    else:
        told = f"{len(painting.rows)} steps, {painting.result.seconds:.0f} s" + (
            ", stopped" if painting.result.stopped == "interrupted" else ""
        )
        told += ", diverged" if str(painting.result.stopped).startswith("diverged") else ""
    after = f", after {painting.parent.number}" if painting.parent is not None else ""
    return (
        f"<figure>{shown}<figcaption><b>{escaped(painting.title)}</b><span>{escaped(told + after)}</span>"
        f"<span>{escaped(' + '.join(filter(None, made_of)))}</span></figcaption></figure>"
        f'<dl class="differs">{_differing(painting)}</dl>{_link(painting.saved)}'
    )


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    image = image.copy()
    image.thumbnail((side, side))
    return image


def _differing(painting: Painting) -> str:
    given = {name: format_value(value) for name, value in differences(painting.settings.recipe).items()}
    masked = [style.source.name for style in painting.settings.styles if style.mask is not None]
    given |= {"regions": ", ".join(masked)} if masked else {}
    given |= {"protected": painting.settings.protect.name} if painting.settings.protect is not None else {}
    if not given:
        return "<div><dt>as the recipe</dt><dd></dd></div>"
    return "".join(
        f"<div><dt>{escaped(name.replace('_', ' '))}</dt><dd>{escaped(text)}</dd></div>" for name, text in given.items()
    )


def _link(saved: Path | None) -> str:
    """A link that downloads a saved file, wherever the kernel runs."""
    if saved is None:
        return ""
    try:
        data = saved.read_bytes() if saved.stat().st_size <= LARGEST_LINK else b""
    except OSError:
        data = b""
    name = escaped(saved.name)
    if not data:
        return f"<p>{name}</p>"
    kind = {".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff"}.get(saved.suffix.lower(), saved.suffix.lower()[1:])
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return f'<p><a href="{address}" download="{name}">Download {name}</a></p>'


def note(recipe: Any) -> str:
    """What is particular about a recipe."""
    return f'<p class="about">{escaped(recipe.note or recipe.source)}</p>'
