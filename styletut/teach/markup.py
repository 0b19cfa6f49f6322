"""The HTML of interactive figures: pictures, style and a few lines of script in one string.

`figures` says what may be asked for; here stand the templates and how pictures are made to fit.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import re
from collections.abc import Sequence

from PIL import Image

# Shares of the width and JPEG qualities, best first: the first that fits is taken.
EFFORTS = ((1.0, 90), (1.0, 82), (1.0, 74), (0.85, 78), (0.72, 76), (0.6, 76), (0.5, 74), (0.42, 72), (0.35, 70))
SMALLEST = 120  # pixels: below this there is nothing left to see

Axes = Sequence[tuple[str, Sequence[str]]]  # of a grid: (name, values) down the rows, then along the columns


def build(
    kind: str,
    pictures: Sequence[Image.Image],
    labels: Sequence[str],
    alt: str,
    max_width: int,
    max_bytes: int,
    start: int = 0,
    axes: Axes = (),
) -> str | None:
    """The figure as one string of HTML, as good as `max_bytes` allows; None where nothing fits.

    `kind` is "divider", "frames", "hover" or "grid".
    """
    largest = max(pictures, key=lambda picture: picture.width * picture.height)
    width, height = shown_size(largest, max_width)
    for share, quality in EFFORTS:
        if share < 1 and share * max(width, height) < SMALLEST:
            break
        target = max(1, round(width * share)), max(1, round(height * share))
        jpegs = [jpeg(picture, target, quality, crop=kind == "divider") for picture in pictures]
        found = _fragment(kind, jpegs, labels, alt, (width, height), start, axes)
        if len(found.encode()) <= max_bytes:
            return found
    return None


def shown_size(picture: Image.Image, max_width: int) -> tuple[int, int]:
    """Columns and rows of `picture` once neither is more than `max_width`."""
    shrink = min(1.0, max_width / max(picture.size))
    return max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))


def jpeg(picture: Image.Image, target: tuple[int, int], quality: int, *, crop: bool = False) -> bytes:
    """`picture` within `target` (columns, rows), or, with `crop`, stretched by a rounding error to fill it."""
    if not crop:
        scale = min(target[0] / picture.width, target[1] / picture.height, 1.0)
        target = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Full colour resolution: half of it would smear the strokes that these pictures are about.
    # Not optimize or progressive: Pillow's buffer for them is too small for noise at full colour resolution.
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _fragment(
    kind: str,
    jpegs: Sequence[bytes],
    labels: Sequence[str],
    alt: str,
    size: tuple[int, int],
    start: int,
    axes: Axes,
) -> str:
    digest = hashlib.sha256(repr((kind, list(labels), alt, size, start)).encode())
    if axes:
        digest.update(repr([(name, list(values)) for name, values in axes]).encode())
    for data in jpegs:
        digest.update(hashlib.sha256(data).digest())
    name = f"styletut-{kind}-{digest.hexdigest()[:12]}"

    roles = ("pic before", "pic after") if kind == "divider" else ("pic",) * len(jpegs)
    figures = "".join(
        f'<figure class="{role}{" on" if kind != "divider" and i == start else ""}"{_bare(kind, i == start)}>'
        f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode("ascii")}" '
        f'alt="{html.escape(label)}" width="{size[0]}" height="{size[1]}" decoding="sync" draggable="false">'
        f"<figcaption>{html.escape(label)}</figcaption></figure>"
        for i, (role, data, label) in enumerate(zip(roles, jpegs, labels, strict=True))
    )
    parts = {
        "@FIGURES": figures,
        "@ID": name,
        "@ALT": html.escape(alt),
        "@WIDTH": str(max(size[0], min(LEAST[kind], size[0] * 4))),
        "@SHAPE": f"{size[0]} / {size[1]}",
        "@COLUMN": "45%" if kind == "divider" else "7.5rem",
        "@LAST": str(len(jpegs) - 1),
        "@START": str(start),
        "@NOW": "50 %" if kind == "divider" else html.escape(labels[start]),
        "@PAUSE": str(min(900, max(120, 7000 // len(jpegs)))),
    }
    if kind == "hover":
        parts["@KEYS"] = "".join(
            f'<label><input type="radio" name="key" value="{i}"{" checked" if i == start else ""}>'
            f"<span>{html.escape(label)}</span></label>"
            for i, label in enumerate(labels)
        )
    if axes:
        across = len(axes[1][1])
        parts |= {
            "@ACROSS": str(across),
            "@CELL": str(_cell_width(size, len(jpegs) // across)),
            "@DIALS": _dials(axes, divmod(start, across)),
        }
        parts |= {mark: html.escape(axis) for mark, (axis, _) in zip(("@DOWN", "@ALONG"), axes, strict=True)}
    # One pass, so that nothing that a label says is taken for a placeholder.
    return re.sub("@[A-Z]+", lambda found: parts[found[0]], _TEMPLATES[kind])


def _bare(kind: str, first: bool) -> str:
    """What a picture needs where style and script are stripped: a divider's two side by side, else one alone."""
    if kind == "divider":
        return ' style="display:inline-block;width:48%;margin:0 1% 0 0"'
    return "" if first else ' hidden="hidden"'


def _cell_width(size: tuple[int, int], rows: int) -> int:
    """Pixels across one cell of the map: equal areas whatever the shape, large enough to tap, not too high."""
    aspect = size[0] / size[1]
    return max(26, min(80, round(math.sqrt(2400 * aspect)), round(250 / rows * aspect)))


def _dials(axes: Axes, at: Sequence[int]) -> str:
    """A labelled slider for each parameter that has more than one value."""
    return "".join(
        f'<label><span>{html.escape(name)}</span><b aria-hidden="true">{html.escape(values[now])}</b>'
        f'<input type="range" min="0" max="{len(values) - 1}" step="1" value="{now}" data-axis="{axis}" '
        f'data-values="{html.escape(json.dumps(list(values)))}" '
        f'aria-label="{html.escape(name)}" aria-valuetext="{html.escape(values[now])}"></label>'
        for axis, ((name, values), now) in enumerate(zip(axes, at, strict=True))
        if len(values) > 1
    )


# Every rule starts with the figure's own id: it reaches nothing outside, and it outweighs the themes of books and
# notebooks, some of which filter images in dark mode. Colours are the page's own (inherit, currentColor).
_COMMON = """
#@ID{max-width:@WIDTHpx;margin:0 0 .75rem;color:inherit;line-height:1.4;direction:ltr;text-align:left}
#@ID .pic{display:block!important;margin:0!important;padding:0;border:0;max-width:none;width:auto!important}
#@ID img{display:block;width:100%;height:auto;max-width:none;aspect-ratio:@SHAPE;object-fit:contain;margin:0;
padding:0;border:0;border-radius:3px;background:none;filter:none;box-shadow:none;-webkit-user-drag:none}
#@ID figcaption{font:inherit;font-size:.875rem;font-weight:400;color:inherit;margin:.375rem 0 0;padding:0;
text-align:left;overflow-wrap:anywhere;opacity:1}
#@ID svg{max-width:none}
#@ID .bare{display:none}
"""

# What is seen without scripts and on paper: every picture, side by side, and no dead controls.
_SPREAD = """
#@ID .stage{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(@COLUMN,100%),1fr));gap:.75rem}
#@ID .pic{grid-area:auto;visibility:visible;clip-path:none}
#@ID .knob,#@ID .bar,#@ID input{display:none!important}
#@ID figcaption{position:static;margin:.375rem 0 0;padding:0;background:none;color:inherit;opacity:1}
"""

# `hidden` and `.bare` are for hosts that strip style and script, as JupyterLab does in a notebook that is not trusted.
# With a value, because its sanitizer drops empty attributes. The style sheet overrules them; !important, because
# themes make `hidden` important.
_OPEN = (
    '<div id="@ID" class="styletut-figure" role="group" aria-label="@ALT">\n'
    '<p class="bare"><em>Run this cell, or trust the notebook, to play with this figure.</em></p>\n'
    "<style>" + _COMMON
)

# Keys that a figure understands must not move to another cell or page: hosts listen at the document, in the capturing
# phase, so only the window comes before them. Shift+Enter and shortcuts with Ctrl, Cmd or Alt stay the host's.
# A widget, unlike a control of HTML, must hear the key itself: with that attribute JupyterLab leaves it alone.
_KEYS = """<script>
if (!window.styletutKeys) {
  window.styletutKeys = function (event) {
    if (!(event.target instanceof Element)) return;
    var figure = event.target.closest(".styletut-figure"), widget = event.target.closest(".styletut-live");
    var theirs = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
    if (figure && !theirs) event.stopPropagation();
    if (widget) event.target.toggleAttribute("data-lm-suppress-shortcuts", !theirs);
  };
  window.addEventListener("keydown", window.styletutKeys, true);
}
"""
KEYS = _KEYS + "</script>"


def _closed(spread: str) -> str:
    return "@media print{" + spread + "}\n</style><noscript><style>" + spread + "</style></noscript>\n"


_SCREEN = _closed(_SPREAD)

_DIVIDER = (
    _OPEN
    + """#@ID .stage{--at:50%;position:relative;display:grid;overflow:hidden;border-radius:3px;cursor:ew-resize;
touch-action:pan-y;user-select:none;-webkit-user-select:none}
#@ID .pic{grid-area:1/1;position:relative;min-width:0}
#@ID .before{z-index:1;clip-path:inset(0 calc(100% - var(--at)) 0 0)}
#@ID figcaption{position:absolute;bottom:.625rem;left:.625rem;margin:0;padding:.125rem .625rem;
border-radius:1rem;background:rgba(0,0,0,.68);color:#fff;font-size:.8125rem;max-width:40%}
#@ID .after figcaption{left:auto;right:.625rem}
#@ID .knob{display:block!important;position:absolute;z-index:2;top:0;bottom:0;left:var(--at);width:2px;
margin-left:-1px;background:#fff;
box-shadow:0 0 0 1px rgba(0,0,0,.35);pointer-events:none}
#@ID .knob svg{position:absolute;top:50%;left:50%;width:40px;height:40px;margin:-20px 0 0 -20px;border-radius:50%;
background:#fff;color:#1a1a1a;box-shadow:0 0 0 1px rgba(0,0,0,.35),0 1px 6px rgba(0,0,0,.4)}
#@ID input{display:block!important;position:absolute;z-index:3;inset:0;width:100%;height:100%;margin:0;
opacity:0;pointer-events:none}
#@ID input:focus-visible~.knob svg{box-shadow:0 0 0 2px #fff,0 0 0 6px #0072b2,0 0 0 8px #fff}
"""
    + _SCREEN
    + """<div class="stage">@FIGURES
<input type="range" min="0" max="100" step="5" value="50" hidden="hidden"
aria-label="Move the divider" aria-valuetext="@NOW">
<div class="knob" aria-hidden="true" hidden="hidden"><svg viewBox="0 0 40 40" fill="none" stroke="currentColor"
stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round"><path d="M16 13l-7 7 7 7M24 13l7 7-7 7"/></svg>
</div></div>
"""
    + _KEYS
    + """document.querySelectorAll("#@ID:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var stage = root.querySelector(".stage"), input = root.querySelector("input");
  var names = root.querySelectorAll("figcaption");
  function show(at) {
    var share = Math.round(at);
    stage.style.setProperty("--at", at + "%");
    input.setAttribute("aria-valuetext",
      share + " % " + names[0].textContent + ", " + (100 - share) + " % " + names[1].textContent);
  }
  function drag(event) {
    var box = stage.getBoundingClientRect();
    var at = Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width));
    input.value = at;
    show(at);
  }
  input.addEventListener("input", function () { show(+input.value); });
  stage.addEventListener("pointerdown", function (event) {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    input.focus({preventScroll: true});
    drag(event);
  });
  stage.addEventListener("pointermove", function (event) {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  stage.addEventListener("mousedown", function (event) { event.preventDefault(); });
  show(+input.value);
});
</script></div>
"""
)

# A slider that looks the same in every browser.
_RANGE = """\
#@ID input{-webkit-appearance:none;appearance:none;flex:1;min-width:0;height:2.25rem;margin:0;padding:0;border:0;
background:none;color:inherit;cursor:pointer}
#@ID input::-webkit-slider-runnable-track{height:4px;border-radius:2px;
background:color-mix(in srgb,currentColor 45%,transparent)}
#@ID input::-moz-range-track{height:4px;border-radius:2px;background:color-mix(in srgb,currentColor 45%,transparent)}
#@ID input::-webkit-slider-thumb{-webkit-appearance:none;width:20px;height:20px;margin-top:-8px;border:0;
border-radius:50%;background:currentColor}
#@ID input::-moz-range-thumb{width:20px;height:20px;border:0;border-radius:50%;background:currentColor}
#@ID input:focus-visible{outline:none}
"""
_RANGE_FOCUS = """#@ID input:focus-visible::-webkit-slider-thumb{outline:3px solid currentColor;outline-offset:3px}
#@ID input:focus-visible::-moz-range-thumb{outline:3px solid currentColor;outline-offset:3px}
"""

_FRAMES = (
    _OPEN
    + """#@ID .stage{display:grid}
#@ID .pic{grid-area:1/1;min-width:0;visibility:hidden}
#@ID .pic.on{visibility:visible}
#@ID .bar{display:flex!important;align-items:center;gap:.75rem;height:2.75rem}
#@ID button{flex:none;width:2.25rem;height:2.25rem;margin:0;padding:0;border:0;border-radius:50%;cursor:pointer;
background:none;color:inherit;box-shadow:inset 0 0 0 1.5px currentColor}
#@ID button svg{display:block;width:100%;height:100%;fill:currentColor}
#@ID .halt,#@ID .playing .go{display:none}
#@ID .playing .halt{display:inline}
"""
    + _RANGE
    + """#@ID button:focus-visible{outline:3px solid currentColor;outline-offset:3px}
"""
    + _RANGE_FOCUS
    + """@media(prefers-reduced-motion:reduce){#@ID button{display:none}}
"""
    + _SCREEN
    + """<div class="stage">@FIGURES</div>
<div class="bar" hidden="hidden"><button type="button" aria-label="Play"><svg viewBox="0 0 36 36" aria-hidden="true">
<path class="go" d="M14 11v14l11-7z"/><path class="halt" d="M12 11h4v14h-4zM20 11h4v14h-4z"/></svg></button>
<input type="range" min="0" max="@LAST" step="1" value="@START" aria-label="Frame" aria-valuetext="@NOW"></div>
"""
    + _KEYS
    + """document.querySelectorAll("#@ID:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), input = root.querySelector("input");
  var button = root.querySelector("button"), timer = 0;
  var calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  function show(now) {
    pictures.forEach(function (picture, i) { picture.classList.toggle("on", i === now); });
    input.value = now;
    input.setAttribute("aria-valuetext", pictures[now].textContent);
  }
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(advance, @PAUSE) : 0;
    button.classList.toggle("playing", on);
    button.setAttribute("aria-label", on ? "Pause" : "Play");
  }
  function advance() {
    if (calm.matches || !root.isConnected) return play(false);
    show(+input.value + 1);
    if (+input.value === pictures.length - 1) play(false);
  }
  input.addEventListener("input", function () { play(false); show(+input.value); });
  button.addEventListener("click", function () {
    if (!timer && +input.value === pictures.length - 1) show(0);
    play(!timer);
  });
  show(+input.value);
});
</script></div>
"""
)

# Hit areas touch each other, so that the way from one name to the next does not lead over the kept picture.
_HOVER = (
    _OPEN
    + """#@ID .stage{display:grid}
#@ID .pic{grid-area:1/1;min-width:0;visibility:hidden}
#@ID .pic.on{visibility:visible}
#@ID .bar{display:block!important;margin:.5rem -3px 0;padding:0}
#@ID .keys{display:flex;flex-wrap:wrap}
#@ID label{position:relative;display:block;flex:none;box-sizing:border-box;max-width:100%;margin:0;padding:3px;
font:inherit;font-size:.875rem;font-weight:400;color:inherit;cursor:pointer;touch-action:manipulation;
-webkit-user-select:none;user-select:none}
#@ID input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:inherit}
#@ID label span{display:flex;align-items:center;justify-content:center;min-width:2.5rem;min-height:40px;
box-sizing:border-box;padding:.25rem .875rem;border-radius:20px;overflow-wrap:anywhere;
box-shadow:inset 0 0 0 1px color-mix(in srgb,currentColor 55%,transparent)}
#@ID label:hover span{background:color-mix(in srgb,currentColor 9%,transparent)}
#@ID input:checked+span{background:color-mix(in srgb,currentColor 14%,transparent);
box-shadow:inset 0 0 0 2px currentColor}
#@ID input:focus-visible+span{outline:3px solid currentColor;outline-offset:2px}
"""
    + _SCREEN
    + """<div class="stage">@FIGURES</div>
<form class="bar" hidden="hidden"><div class="keys" role="radiogroup" aria-label="Picture">@KEYS</div></form>
"""
    + _KEYS
    + """document.querySelectorAll("#@ID:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), keys = root.querySelectorAll("label");
  var inputs = root.querySelectorAll("input"), kept = @START;
  function show(now) {
    pictures.forEach(function (picture, i) { picture.classList.toggle("on", i === now); });
  }
  function read() {
    inputs.forEach(function (input, i) { if (input.checked) kept = i; });
    show(kept);
  }
  keys.forEach(function (key, i) {
    key.addEventListener("pointerenter", function (event) { if (event.pointerType !== "touch") show(i); });
    key.addEventListener("pointerleave", function () { show(kept); });
  });
  root.querySelector("form").addEventListener("change", read);
  root.querySelector("form").addEventListener("submit", function (event) { event.preventDefault(); });
  read();
});
</script></div>
"""
)

_GRID = (
    _OPEN
    + """#@ID .stage{display:grid}
#@ID .pic{grid-area:1/1;min-width:0;visibility:hidden}
#@ID .pic.on{visibility:visible}
#@ID .bar{display:flex!important;flex-wrap:wrap;align-items:center;gap:.75rem 2rem;margin-top:.625rem}
#@ID .dials{flex:1 1 13rem;min-width:0}
#@ID label{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;margin:0;padding:0;font:inherit;
font-size:.875rem;font-weight:400;color:inherit}
#@ID label b{font-weight:600;font-variant-numeric:tabular-nums}
"""
    + _RANGE
    + """#@ID input{flex:1 0 100%}
"""
    + _RANGE_FOCUS
    + """#@ID .over{flex:0 1 auto;min-width:0}
#@ID .over p{display:flex;flex-wrap:wrap;gap:0 .75rem;margin:0 0 .25rem;padding:0;font:inherit;font-size:.75rem;
color:inherit}
#@ID .map{display:grid;grid-template-columns:repeat(@ACROSS,minmax(0,@CELLpx));margin:-4px;cursor:pointer;
touch-action:manipulation}
#@ID .map i{display:grid;align-items:center;min-height:26px;box-sizing:border-box;padding:4px}
#@ID .map i img{border-radius:2px}
#@ID .map i.on img{outline:2px solid currentColor;outline-offset:2px}
"""
    + _closed(
        _SPREAD
        + """#@ID .stage{grid-template-columns:repeat(@ACROSS,minmax(0,1fr))}
#@ID figcaption{font-size:.75rem;line-height:1.3}
"""
    )
    + """<div class="stage">@FIGURES</div>
<div class="bar" hidden="hidden"><div class="dials">@DIALS</div>
<div class="over" aria-hidden="true"><p><span>↓ @DOWN</span><span>→ @ALONG</span></p><div class="map"></div></div></div>
"""
    + _KEYS
    + """document.querySelectorAll("#@ID:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), inputs = root.querySelectorAll("input");
  var map = root.querySelector(".map");
  pictures.forEach(function (picture) {
    map.appendChild(document.createElement("i")).appendChild(picture.querySelector("img").cloneNode());
  });
  function show(now) {
    pictures.forEach(function (picture, i) {
      picture.classList.toggle("on", i === now);
      map.children[i].classList.toggle("on", i === now);
    });
    inputs.forEach(function (input) {
      input.value = input.dataset.axis === "0" ? Math.floor(now / @ACROSS) : now % @ACROSS;
      var value = JSON.parse(input.dataset.values)[input.value];
      input.setAttribute("aria-valuetext", value);
      input.parentNode.querySelector("b").textContent = value;
    });
  }
  function read() {
    var now = 0;
    inputs.forEach(function (input) { now += +input.value * (input.dataset.axis === "0" ? @ACROSS : 1); });
    show(now);
  }
  function point(event) {
    var cell = event.target.closest("i");
    if (cell) show(Array.prototype.indexOf.call(map.children, cell));
  }
  inputs.forEach(function (input) { input.addEventListener("input", read); });
  map.addEventListener("pointerover", point);
  map.addEventListener("click", point);
  read();
});
</script></div>
"""
)

_TEMPLATES = {"divider": _DIVIDER, "frames": _FRAMES, "hover": _HOVER, "grid": _GRID}
LEAST = {"divider": 320, "frames": 320, "hover": 480, "grid": 480}  # pixels: what a tiny picture is enlarged to

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE</title>
<style>:root{color-scheme:light dark}
body{max-width:45rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;background:Canvas;
color:CanvasText}</style></head>
<body>
@FIGURE</body></html>
"""
