"""The optimiser's variable, and the picture that it stands for."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipes import Recipe
from . import optim


class Parametrization:
    """From a picture to the variable that an optimiser moves, and back.

    A recipe says on which scale of values it is moved (``pixel_range``), in which coordinates (``decorrelation``), and
    whether it is kept within its range (``clamp``); ``grey`` gives all channels their mean.
    """

    def __init__(self, recipe: Recipe, device: torch.device, dtype: torch.dtype, grey: bool) -> None:
        self.recipe, self.device, self.dtype, self.grey = recipe, device, dtype, grey
        self._spectrum: optim.Spectrum | None = None

    def variable(self, picture: Tensor) -> Tensor:
        """The optimiser's variable for a picture."""
        picture = picture.to(self.device, self.dtype)
        if self.recipe.decorrelation:
            picture = self._spectrum_for(picture).coordinates(picture)
        # Contiguous, because torch's L-BFGS flattens gradients with view().
        return (picture * self.recipe.pixel_range).contiguous()

    def picture(self, variable: Tensor) -> Tensor:
        """The picture that a variable stands for, out of range where it is; differentiable."""
        picture = variable if self.recipe.pixel_range == 1 else variable / self.recipe.pixel_range
        picture = self._spectrum_for(picture).picture(picture) if self.recipe.decorrelation else picture
        return picture.mean(1, keepdim=True).expand_as(picture) if self.grey else picture

    def input(self, variable: Tensor) -> Tensor:
        """The picture as the network gets it; differentiable."""
        picture = self.picture(variable).contiguous(memory_format=torch.channels_last)
        return picture.clamp(0, 1) if self.recipe.clamp == "forward" else picture

    def finished(self, variable: Tensor) -> Tensor:
        """The picture in [0, 1], float32 on the CPU."""
        return self.picture(variable.detach()).clamp(0, 1).float().cpu().contiguous()

    @torch.no_grad()
    def clamp_(self, variable: Tensor) -> None:
        """Bring the picture into its range."""
        if self.recipe.decorrelation:
            variable.copy_(self.variable(self.picture(variable).clamp(0, 1)))
        else:
            variable.clamp_(0, self.recipe.pixel_range)

    def _spectrum_for(self, picture: Tensor) -> optim.Spectrum:
        size = (picture.shape[-2], picture.shape[-1])
        if self._spectrum is None or self._spectrum.size != size:
            self._spectrum = optim.Spectrum(self.recipe.decorrelation, size, device=self.device, dtype=self.dtype)
        return self._spectrum
