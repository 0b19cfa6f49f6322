"""Where a recipe's colours enter a run: the pictures before it begins, and its picture whenever it is taken."""

from __future__ import annotations

import torch
from torch import Tensor

from ..control.colour import luminance, match_colours, replace_chroma
from ..errors import RecipeError
from ..images import resize
from ..recipes import Recipe
from .inputs import Inputs, is_grey


class Colouring:
    """What ``colour``, ``colour_when`` and ``colour_strength`` of a recipe do.

    ========== ======================================================= =============================================
    colour     before                                                  after
    ========== ======================================================= =============================================
    luminance  content, styles and start become grey; the styles'      the result keeps its lightness and gets the
               lightness has the content's mean and deviation          photograph's chroma
    covariance the styles get the mean and covariance of the content   the result gets them
    histogram  the styles get the distribution of the content's        the result gets it
               colours
    ========== ======================================================= =============================================

    Luminance before alone gives a grey picture. The strength blends each of them; for luminance both before and after,
    the result has that much of the photograph's chroma and the rest of the painting's.

    Raises:
        RecipeError: styles are to be blended for several contents at once, and each content asks for other colours.
    """

    def __init__(self, recipe: Recipe, inputs: Inputs) -> None:
        self.method, self.strength, self.inputs = recipe.colour, recipe.colour_strength, inputs
        when = recipe.colour_when
        if when == "auto":
            when = "both" if self.method == "luminance" else "before"
        acts = self.method != "style" and self.strength > 0
        self.before, self.after = acts and when in ("before", "both"), acts and when in ("after", "both")
        contents, styles = len(inputs.content), len(inputs.styles)
        if self.before and contents > 1 and styles > 1 and (styles != contents or inputs.style_weights is not None):
            raise RecipeError(
                f"styles cannot be blended with the colours of {contents} contents: give these one by one, or set "
                "colour_when='after'"
            )

    @property
    def grey(self) -> bool:
        """Whether the picture that is optimised is grey, whatever the pictures are."""
        return self.before and self.method == "luminance" and self.strength == 1

    @property
    def keeps_grey(self) -> bool:
        """Whether all pictures are grey, as they enter the objective."""
        content, start = self.inputs.content, self.inputs.start
        if self.before and self.strength == 1:  # the styles get the content's colours
            return is_grey(content) and (start is None or is_grey(start))
        return self.inputs.grey

    def content(self, content: Tensor) -> Tensor:
        """A content, or a start picture, as it enters the objective."""
        return luminance(content, strength=self.strength) if self.before and self.method == "luminance" else content

    def styles(self, styles: list[Tensor], content: Tensor) -> list[Tensor]:
        """The styles for a content, as they enter the objective: one for each content where its colours matter."""
        if not self.before or not styles:
            return styles
        contents = content.split(1) if len(content) > 1 else [content] * len(styles)
        styles = styles * len(contents) if len(styles) == 1 else styles
        return [self._recoloured(style, one) for style, one in zip(styles, contents, strict=True)]

    def _recoloured(self, style: Tensor, content: Tensor) -> Tensor:
        if self.method == "luminance":
            return luminance(style, content, self.strength)
        return match_colours(style, content, self.method, self.strength)

    @torch.no_grad()
    def finished(self, picture: Tensor) -> Tensor:
        """A picture of the run, (B, 3, H, W) in [0, 1], as it is shown."""
        if not self.after:
            return picture
        size = (picture.shape[-2], picture.shape[-1])
        photo = resize(self.inputs.content, size, fit="exact", upscale=True)
        if self.method == "luminance":  # what was taken from the pictures before is given back
            return replace_chroma(picture, photo, self.strength, keep=1.0 if self.before else None)
        return match_colours(picture, photo, self.method, self.strength)
