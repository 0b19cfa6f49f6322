"""The mathematics of style transfer, as plain differentiable functions.

Features have shape (B, N, H, W): B pictures, N channels, M = H * W positions; F is one picture's features as
an N x M matrix. Every loss is a scalar. Pictures in a batch are independent: their losses add.

Source, where nothing else is said: L. Gatys, A. Ecker and M. Bethge, "Image style transfer using
convolutional neural networks", CVPR 2016.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import LossError
from .validation import check_choice

GRAM_NORMALIZATIONS = ("none", "positions", "elements")
CONTENT_FORMS = ("sum", "half_sum", "mean", "relative")
GRAM_FORMS = ("gatys", "picture", "mean", "relative")
TV_FORMS = ("squared", "l1", "power")
TV_REDUCTIONS = ("sum", "mean")


def _precise(x: Tensor) -> Tensor:
    """float32 at least: a sum over thousands of positions overflows float16 and starves in bfloat16."""
    return x if x.dtype == torch.float64 else x.float()


def _weighted(flat: Tensor, weights: Tensor | None) -> Tensor:
    """Values (B, N, M), each position times its weight."""
    return flat if weights is None else flat * weights.to(flat.dtype).flatten(2)


def gram_matrix(features: Tensor, normalization: str = "positions", weights: Tensor | None = None) -> Tensor:
    r"""Gram matrix of features: which channels are active together, wherever that is.

    .. math:: G_{ij} = \frac{1}{Z} \sum_{p=1}^{M} F_{ip} F_{jp}

    with Z = 1 (``none``, as printed by Gatys et al.), M (``positions``: the mean over positions, which does not
    grow with the picture) or N M (``elements``, Johnson et al. 2016).

    Args:
        features: (B, N, H, W), any floating dtype; the sum is float32 or better.
        normalization: ``none``, ``positions`` or ``elements``.
        weights: (B or 1, 1, H, W), what each position's products are multiplied by, if they do not all count alike.

    Returns:
        (B, N, N), symmetric and positive semidefinite.

    Raises:
        LossError: unknown normalization, or features that are not (B, N, H, W).

    >>> f = torch.tensor([[1., 0., 2.], [0., 3., 1.]]).view(1, 2, 1, 3)
    >>> gram_matrix(f, "none")
    tensor([[[ 5.,  2.],
             [ 2., 10.]]])
    """
    check_choice("Gram normalization", normalization, GRAM_NORMALIZATIONS, LossError)
    if features.dim() != 4 or features.numel() == 0:
        raise LossError(f"features must be (B, N, H, W) and not empty, got shape {tuple(features.shape)}")
    flat = _precise(features).flatten(2)
    with torch.autocast(features.device.type, enabled=False):
        gram = _weighted(flat, weights) @ flat.transpose(1, 2)
    return gram / {"none": 1, "positions": flat.shape[2], "elements": flat.shape[1] * flat.shape[2]}[normalization]


def content_loss(features: Tensor, target: Tensor, form: str = "mean") -> Tensor:
    r"""How far features are from the content picture's, position by position.

    With a = ``features`` and b = ``target``, for each picture: ``sum`` :math:`\sum (a-b)^2`; ``half_sum``
    :math:`\tfrac12 \sum (a-b)^2` (Gatys et al. 2016, equation 1); ``mean`` :math:`\tfrac{1}{NM} \sum (a-b)^2`;
    ``relative`` :math:`\sum (a-b)^2 / \sum b^2`, which is 1 when nothing of b is left and has no units.

    Args:
        features, target: (B, N, H, W), the same shape (a target with B = 1 serves a whole batch).
        form: one of the four.

    Raises:
        LossError: unknown form, shapes that do not fit, or a target of zeros for ``relative``.
    """
    return (content_factor(form, target) * squared_error(features, target)).sum()


def squared_error(features: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sum of (a - b)^2 over channels and positions, times the weight of each position, for each picture: (B,).

    Raises:
        LossError: shapes that do not fit.
    """
    if features.shape[1:] != target.shape[1:] or target.shape[0] not in (1, features.shape[0]):
        raise LossError(f"content features {tuple(features.shape)} and target {tuple(target.shape)} do not match")
    squares = (_precise(features) - _precise(target)).square()
    return (squares if weights is None else squares * weights).flatten(1).sum(1)


def content_factor(form: str, target: Tensor) -> Tensor:
    """What multiplies the squared error in `content_loss`, for each picture of the target: (B,) or (1,).

    Raises:
        LossError: unknown form, or a target of zeros for ``relative``.
    """
    check_choice("content loss", form, CONTENT_FORMS, LossError)
    if form == "relative":
        return 1 / _power(target, "a relative content loss needs a target that is not all zeros")
    factor = {"sum": 1.0, "half_sum": 0.5, "mean": 1 / max(target[0].numel(), 1)}[form]
    return torch.full((1,), factor, dtype=_precise(target).dtype, device=target.device)


def _power(target: Tensor, message: str) -> Tensor:
    """Sum of squares for each picture, (B,), refused where it is zero."""
    # In pieces, because a float32 copy of a large picture's features may not fit.
    power = torch.stack([_precise(part).square().flatten(1).sum(1) for part in target.split(64, dim=1)]).sum(0)
    if not bool((power > 0).all()):
        raise LossError(message)
    return power


def style_factor(form: str, target: Tensor, positions: int | None = None, pixels: int | None = None) -> Tensor:
    """What multiplies the squared distance of two per-position Grams in `style_loss`: (B,) or (1,).

    Raises:
        LossError: unknown form, ``positions`` or ``pixels`` missing where it needs them, a target of zeros for
            ``relative``.
    """
    check_choice("style loss", form, GRAM_FORMS, LossError)
    if form == "relative":
        return 1 / _power(target, "a relative style loss needs a style whose Gram matrix is not all zeros")
    channels = target.shape[-1]
    if form == "gatys":
        factor = 1 / (4 * channels**2)
    elif positions is None:
        raise LossError(f"style loss {form!r} depends on the number of positions M: give positions=")
    elif form == "mean":
        factor = positions**2 / channels**2
    elif pixels is None:
        raise LossError("style loss 'picture' depends on the picture's size: give pixels=rows * columns")
    else:
        factor = positions**2 / (4 * 3**2 * pixels**2)
    return torch.full((1,), factor, dtype=_precise(target).dtype, device=target.device)


def style_loss(
    gram: Tensor,
    target: Tensor,
    form: str = "gatys",
    *,
    positions: int | None = None,
    pixels: int | None = None,
) -> Tensor:
    r"""Distance of two Gram matrices.

    Both are per position (``gram_matrix(..., "positions")``), :math:`\hat G = G / M` and :math:`\hat A = A / M_s`, so a
    style picture need not have the size of the content picture. Where both have M positions these are the
    published losses of raw Grams G and A:

    - ``gatys`` :math:`\frac{1}{4N^2} \sum (\hat G - \hat A)^2 = \frac{1}{4N^2M^2} \sum (G - A)^2` (Gatys et al.,
      equation 4);
    - ``picture`` :math:`\frac{M^2}{4 \cdot 3^2 P^2} \sum (\hat G - \hat A)^2`, P the pixels of the *picture*: the Keras
      example's hard-coded ``4 * channels**2 * size**2``, the same for every layer;
    - ``mean`` :math:`\frac{M^2}{N^2} \sum (\hat G - \hat A)^2`: the mean squared error of raw Grams;
    - ``relative`` :math:`\sum (\hat G - \hat A)^2 / \sum \hat A^2`: no units, the same at every layer and size.

    Args:
        gram, target: (B, N, N); a target with B = 1 serves a whole batch.
        positions: M, for ``picture`` and ``mean``.
        pixels: rows * columns of the picture, for ``picture``.

    Raises:
        LossError: unknown form, shapes that do not fit, a number that is missing, a target of zeros for ``relative``.
    """
    return (style_factor(form, target, positions, pixels) * gram_error(gram, target)).sum()


def gram_error(gram: Tensor, target: Tensor) -> Tensor:
    """Sum of (G - A)^2 over two Gram matrices, for each picture: (B,).

    Raises:
        LossError: shapes that do not fit.
    """
    if gram.dim() != 3 or gram.shape[1:] != target.shape[1:] or target.shape[0] not in (1, gram.shape[0]):
        raise LossError(f"Gram matrices {tuple(gram.shape)} and {tuple(target.shape)} do not match")
    return (_precise(gram) - _precise(target)).square().flatten(1).sum(1)


def total_variation(
    picture: Tensor,
    form: str = "squared",
    reduction: str = "sum",
    *,
    own: tuple[int, int] | None = None,
    wraps: bool = False,
) -> Tensor:
    r"""How much neighbouring pixels differ, over all channels.

    With forward differences dx and dy: ``squared`` :math:`\sum dx^2 + dy^2`; ``l1`` :math:`\sum |dx| + |dy|` (Rudin,
    Osher and Fatemi 1992, anisotropic); ``power`` :math:`\sum (dx^2 + dy^2)^{1.25}` on the crop of (H-1) x (W-1)
    positions that have both (Mahendran and Vedaldi 2015 with beta = 2.5; the Keras example).

    Args:
        picture: (B, C, H, W). Scale matters: the Keras example takes it on 0..255.
        form: ``squared``, ``l1`` or ``power``.
        reduction: ``sum``, or ``mean``: divided by H * W, so that it does not grow with the picture.
        own: count only what begins in the first (rows, columns); the picture may have one more of each.
        wraps: the picture tiles, and its first row and column follow the last.

    Raises:
        LossError: unknown form or reduction, or not (B, C, H, W).

    >>> float(total_variation(torch.tensor([[0., 1.], [0., 3.]]).view(1, 1, 2, 2), "l1"))
    6.0
    """
    check_choice("total variation", form, TV_FORMS, LossError)
    check_choice("reduction", reduction, TV_REDUCTIONS, LossError)
    if picture.dim() != 4 or picture.numel() == 0:
        raise LossError(f"total variation needs a picture (B, C, H, W), got shape {tuple(picture.shape)}")
    picture = _precise(picture)
    pixels = picture.shape[-2] * picture.shape[-1]
    rows, columns = picture.shape[-2:] if own is None else own
    if wraps:
        picture = torch.cat([picture, picture[..., :1, :]], -2)
        picture = torch.cat([picture, picture[..., :1]], -1)
    dx = picture[..., :, 1:] - picture[..., :, :-1]
    dy = picture[..., 1:, :] - picture[..., :-1, :]
    if form == "squared":
        value = dx[..., :rows, :].square().sum() + dy[..., :columns].square().sum()
    elif form == "l1":
        value = dx[..., :rows, :].abs().sum() + dy[..., :columns].abs().sum()
    else:
        value = (dx[..., :-1, :].square() + dy[..., :, :-1].square()).pow(1.25).sum()
    return value if reduction == "sum" else value / pixels


# --- style losses of other statistics ----------------------------------------------------------------

Statistic = tuple[Tensor, ...]
"""What is measured of features: tensors that each have the pictures of the batch as their first dimension."""


@dataclass(frozen=True)
class StyleLoss:
    """A way to compare styles: two functions.

    ``statistic(features)`` measures features (B, N, H, W); ``loss(statistic, target)`` compares two statistics, a
    scalar. Both are differentiated by autograd.

    Where the statistic is ``additive``, a mean over positions, that of a large picture is the weighted mean of those of
    its parts, and styles can be blended. Where it is not, ``loss`` gets statistics of different sizes. An additive
    ``statistic(features, weights=None)`` that multiplies what it averages by ``weights`` (1, 1, H, W) can also be
    restricted to a region by a mask (`control.masks`).

    Two more functions are for losses that need them: ``prepare(target)`` computes once what depends on the target
    alone, and is what ``loss`` gets in its place; ``scale(positions, pixels)`` multiplies the loss of a picture with
    that many positions at the layer and that many pixels.
    """

    statistic: Callable[..., Statistic]
    loss: Callable[[Statistic, Statistic], Tensor]
    additive: bool = True
    prepare: Callable[[Statistic], Statistic] = lambda target: target
    scale: Callable[[int, int], float] = lambda positions, pixels: 1.0

    @property
    def weighs(self) -> bool:
        """Whether positions may have weights."""
        return self.additive and "weights" in inspect.signature(self.statistic).parameters

    def measure(self, features: Tensor, weights: Tensor | None = None) -> Statistic:
        """The statistic, of positions with weights if there are any."""
        return self.statistic(features) if weights is None else self.statistic(features, weights)


def gram(features: Tensor, weights: Tensor | None = None) -> Statistic:
    """The Gram matrix per position, (B, N, N): see `gram_matrix`."""
    return (gram_matrix(features, "positions", weights),)


def _gram_loss(form: str, scale: Callable[[int, int], float] = lambda positions, pixels: 1.0) -> StyleLoss:
    """`style_loss` in one of its forms; what depends on the size of the picture is its scale."""
    return StyleLoss(
        gram,
        lambda statistic, target: (target[1] * gram_error(statistic[0], target[0])).sum(),
        prepare=lambda target: (target[0], style_factor(form, target[0], positions=1, pixels=1)),
        scale=scale,
    )


def mean_and_power(features: Tensor, weights: Tensor | None = None) -> Statistic:
    """Mean and mean square of every channel, each (B, N)."""
    flat = _precise(features).flatten(2)
    return _weighted(flat, weights).mean(2), _weighted(flat.square(), weights).mean(2)


def mean_std_loss(statistic: Statistic, target: Statistic) -> Tensor:
    r"""Distance of the channels' means and standard deviations, each relative to the target's.

    .. math:: \frac{\sum (\mu - \mu_s)^2}{\sum \mu_s^2} + \frac{\sum (\sigma - \sigma_s)^2}{\sum \sigma_s^2}

    Source: the statistics of X. Huang and S. Belongie, "Arbitrary style transfer in real-time with adaptive instance
    normalization", ICCV 2017.
    """
    # Where a channel is constant the root has no gradient.
    floor = (_EPSILON * target[1].mean(1, keepdim=True)).clamp(min=_TINY)

    def deviation(mean: Tensor, power: Tensor) -> Tensor:
        return ((power - mean.square()).clamp(min=0) + floor).sqrt()

    # Of a single position all deviations are zero, and a distance relative to them would be infinite.
    smallest = 1e-4 * target[1].sum(1)
    return _relative(statistic[0], target[0]) + _relative(deviation(*statistic), deviation(*target), smallest)


def mean_and_second_moment(features: Tensor, weights: Tensor | None = None) -> Statistic:
    """Mean of every channel, (B, N), and the Gram matrix per position, (B, N, N)."""
    flat = _precise(features).flatten(2)
    return _weighted(flat, weights).mean(2), gram_matrix(features, "positions", weights)


def covariance(mean: Tensor, second: Tensor) -> Tensor:
    r"""Covariance of the channels, :math:`G - \mu \mu^T`: (B, N, N)."""
    return second - mean[:, :, None] * mean[:, None, :]


def mean_covariance_loss(statistic: Statistic, target: Statistic) -> Tensor:
    r"""Distance of the channels' means and covariances, each relative to the target's.

    .. math:: \frac{\sum (\mu - \mu_s)^2}{\sum \mu_s^2} + \frac{\sum (C - C_s)^2}{\sum C_s^2}
    """
    # Of a single position the covariance is zero, and a distance relative to it would be infinite.
    smallest = 1e-4 * target[1].square().flatten(1).sum(1)
    of_covariance = _relative(covariance(*statistic), covariance(*target), smallest)
    return _relative(statistic[0], target[0]) + of_covariance


def _prepare_wasserstein(target: Statistic) -> Statistic:
    """Mean, trace and a root R of the covariance (C = R R^T), the floor of squared eigenvalues, and what that adds."""
    mean, second = target
    values, vectors = torch.linalg.eigh(covariance(mean, second).double().cpu())
    values = values.clamp(min=0)
    root = vectors * values.sqrt()[:, None, :]
    # Of a single position the covariance is zero, and the root of zero has no gradient.
    power = mean.square().sum(1, keepdim=True).to(values) + values.sum(1, keepdim=True)
    floor = (_EPSILON * (values[:, -1:] + _EPSILON * power) ** 2).clamp(min=_TINY)
    excess = ((values.square() + floor).sqrt() - values).sum(1)
    return mean, values.sum(1).to(second), root.to(second), floor.to(second), excess.to(second)


def wasserstein_loss(statistic: Statistic, target: Statistic) -> Tensor:
    r"""Squared 2-Wasserstein (Bures) distance of the Gaussians with the features' means and covariances.

    .. math:: \frac{|\mu - \mu_s|^2 + \mathrm{tr}\, C + \mathrm{tr}\, C_s - 2\, \mathrm{tr}\, (R^T C R)^{1/2}}
        {|\mu_s|^2 + \mathrm{tr}\, C_s}, \qquad C_s = R R^T

    It is relative to the power of the target: 1 where there are no features at all. The trace of the root is the sum of
    the eigenvalues' roots, whose gradient exists also where eigenvalues are equal. Eigenvalues of a millionth of the
    largest that the target has with itself are rounding; below them the root is smoothed.

    Source: D. Dowson and B. Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12, 1982.
    """
    mean, trace, root, floor, excess = target
    c = covariance(*statistic)
    product = root.transpose(1, 2) @ c @ root
    # Not every device has eigenvalues; a matrix of channels is small enough to be sent.
    values = torch.linalg.eigvalsh(product.cpu()).to(product.device)
    roots = (values.clamp(min=0) + floor).sqrt().sum(1) - excess
    distance = (statistic[0] - mean).square().sum(1) + c.diagonal(dim1=1, dim2=2).sum(1) + trace - 2 * roots
    return (distance / (mean.square().sum(1) + trace).clamp(min=_TINY)).sum()


def positions_of(features: Tensor) -> Statistic:
    """The features themselves, (B, N, M): a sample of vectors, one for each position."""
    return (_precise(features).flatten(2),)


def sliced_wasserstein_loss(statistic: Statistic, target: Statistic) -> Tensor:
    r"""Squared 2-Wasserstein distance along N directions, relative to the power of the target.

    Features are projected onto every axis of a random, fixed orthonormal basis and sorted, which matches each with the
    target's at the same rank; of a target with another number of positions the quantiles are interpolated.

    Source: E. Heitz et al., "A sliced Wasserstein loss for neural texture synthesis", CVPR 2021; there the directions
    are drawn anew in every evaluation.
    """
    (x,), (y,) = statistic, target
    directions = torch.from_numpy(random_basis(x.shape[1])).to(x)
    projected, goal = ((directions @ each).sort(dim=2).values for each in (x, y))
    if projected.shape[2] != goal.shape[2]:
        goal = torch.nn.functional.interpolate(goal, projected.shape[2], mode="linear", align_corners=False)
    return ((projected - goal).square().mean((1, 2)) / goal.square().mean((1, 2)).clamp(min=_TINY)).sum()


@functools.cache
def random_basis(channels: int) -> np.ndarray:
    """A random orthonormal basis, one direction a row."""
    normal = np.random.default_rng(0).standard_normal((channels, channels))
    return np.linalg.qr(normal).Q  # an array, which keeps nothing of the mode that torch is in


_EPSILON = 1e-6
"""What counts as nothing beside 1, in float32 sums."""


_TINY = 1e-30
"""Below any power of features: no loss divides by zero."""


def _relative(x: Tensor, target: Tensor, smallest: Tensor | None = None) -> Tensor:
    """Sum over pictures of the squared distance over the squared length of the target, or over ``smallest``."""
    power = target.square().flatten(1).sum(1).clamp(min=_TINY)
    power = power if smallest is None else torch.maximum(power, smallest)
    return ((x - target).square().flatten(1).sum(1) / power).sum()


STYLE_LOSSES = {
    "gatys": _gram_loss("gatys"),
    "picture": _gram_loss("picture", lambda positions, pixels: (positions / pixels) ** 2),
    "mean": _gram_loss("mean", lambda positions, pixels: positions**2),
    "relative": _gram_loss("relative"),
    "mean-std": StyleLoss(mean_and_power, mean_std_loss),
    "mean-covariance": StyleLoss(mean_and_second_moment, mean_covariance_loss),
    "wasserstein": StyleLoss(mean_and_second_moment, wasserstein_loss, prepare=_prepare_wasserstein),
    "sliced-wasserstein": StyleLoss(positions_of, sliced_wasserstein_loss, additive=False),
}
"""Every style loss that a recipe can name; a new one is a line here, and its two functions."""
