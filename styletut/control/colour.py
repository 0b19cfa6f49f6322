"""Keep a photograph's colours: luminance alone, matched means and covariances, or matched histograms.

Pictures are tensors (B, 3, H, W), sRGB in [0, 1]; a single picture stands for as many as the other has. Lightness and
chroma are those of Oklab (Ottosson 2020), a perceptual space as CIELAB is, in which less chroma is the same hue: in
CIELAB blue, the colour of skies, turns to purple. YIQ has neither an even lightness nor an even hue.

A colour outside sRGB is brought back with its lightness and hue, by less chroma, as CSS Color 4 does it: clipping each
channel by itself would change the hue.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import ImageError
from ..images import check_picture
from ..validation import check_choice, check_number

METHODS = ("luminance", "covariance", "histogram")
"""How `match_colours` matches."""

STEP = 1 / 255
"""One step of 8 bits: a smaller deviation is rounding, and carries no colour."""

DIRECTIONS = 8
"""How many random sets of axes `match_histograms` matches along, before the channels themselves."""

_ROUNDING = 1e-6

# Linear sRGB to the response of the eye's cones (LMS), and their cube roots to L, a, b.
_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
_OPPONENT = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


# --- lightness and chroma --------------------------------------------------------------------------------


def to_oklab(picture: Tensor) -> Tensor:
    """Oklab of sRGB: lightness L from 0 to 1, and a (green to red) and b (blue to yellow), within about 0.4 of zero.

    The cube roots of the cones' responses to linear sRGB, mixed; values out of range are continued symmetrically.
    Source: Ottosson, A perceptual color space for image processing, 2020.

    >>> to_oklab(torch.ones(1, 3, 1, 1)).flatten().round(decimals=3).abs()
    tensor([1., 0., 0.])
    """
    size = picture.abs()
    linear = torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    cones = _mixed(_CONES, torch.copysign(linear, picture))
    return _mixed(_OPPONENT, torch.copysign(cones.abs() ** (1 / 3), cones))


def from_oklab(lab: Tensor) -> Tensor:
    """sRGB of Oklab, out of [0, 1] where sRGB has no such colour: the inverse of `to_oklab`.

    >>> picture = torch.rand(1, 3, 8, 8)
    >>> torch.allclose(from_oklab(to_oklab(picture)), picture, atol=1e-5)
    True
    """
    linear = _mixed(_CONES.inverse(), _mixed(_OPPONENT.inverse(), lab) ** 3)
    size = linear.abs()
    return torch.copysign(
        torch.where(size <= 0.0031308, size * 12.92, 1.055 * size.clamp(min=1e-9) ** (1 / 2.4) - 0.055), linear
    )


def into_gamut(picture: Tensor) -> Tensor:
    """Colours outside [0, 1] brought back: the same Oklab hue, the lightness within 0 to 1, as much chroma as fits.

    A picture in range stays as it is. Source: CSS Color Module Level 4, section 13.2 (gamut mapping in Oklch).

    >>> into_gamut(torch.tensor([1.2, 0.1, 0.1]).view(1, 3, 1, 1)).flatten().round(decimals=2)
    tensor([1.0000, 0.4700, 0.4000])
    """
    outside = (picture.amin(1) < -_ROUNDING) | (picture.amax(1) > 1 + _ROUNDING)
    picture = picture.clone()
    if bool(outside.any()):
        pixels = picture.movedim(1, -1)
        lab = to_oklab(pixels[outside].T[None, :, :, None])
        lightness, chroma = lab[:, :1].clamp(0, 1), lab[:, 1:]
        inside, beyond = torch.zeros_like(lightness), torch.ones_like(lightness)
        for _ in range(20):
            share = (inside + beyond) / 2
            rgb = from_oklab(torch.cat([lightness, share * chroma], 1))
            fits = (rgb.amin(1, keepdim=True) >= -_ROUNDING) & (rgb.amax(1, keepdim=True) <= 1 + _ROUNDING)
            inside, beyond = torch.where(fits, share, inside), torch.where(fits, beyond, share)
        pixels[outside] = from_oklab(torch.cat([lightness, inside * chroma], 1))[0, :, :, 0].T
    return picture.clamp_(0, 1)


def luminance(picture: Tensor, to: Tensor | None = None, strength: float = 1.0) -> Tensor:
    """The picture in grey, of the same Oklab lightness; with the mean and the deviation of ``to``'s lightness.

    L' = (L - mean L) * std(L_to) / std(L) + mean(L_to), within 0 to 1, for a painting whose luminance alone shall be
    transferred to the photograph ``to``; a lightness without deviation becomes the mean. ``strength`` blends from the
    picture, at 0, to the grey one. Source: Gatys et al., Controlling perceptual factors in neural style transfer,
    CVPR 2017, section 5.1.

    Raises:
        ImageError: not pictures, or not as many.
        RecipeError: the strength is not from 0 to 1.

    >>> grey = luminance(torch.rand(1, 3, 8, 8))
    >>> torch.equal(grey[:, 0], grey[:, 2])
    True
    """
    if to is not None:
        check_picture(to, "the picture whose lightness is matched")
    return _blended(lambda picture: _grey(picture, to), picture, 1 if to is None else len(to), strength)


def _grey(picture: Tensor, to: Tensor | None) -> Tensor:
    lightness = to_oklab(picture)[:, :1]
    if to is not None:
        (mean, deviation), (mean_to, deviation_to) = (
            (each.mean((2, 3), keepdim=True), each.std((2, 3), correction=0, keepdim=True))
            for each in (lightness, to_oklab(to.to(picture))[:, :1])
        )
        gain = torch.where(deviation > STEP, deviation_to / deviation.clamp(min=STEP), 0)
        lightness = ((lightness - mean) * gain + mean_to).clamp(0, 1)
    rgb = from_oklab(torch.cat([lightness, torch.zeros_like(lightness).expand(-1, 2, -1, -1)], 1))
    return rgb.mean(1, keepdim=True).expand_as(rgb).clamp(0, 1)  # equal, not but for rounding


def replace_chroma(picture: Tensor, of: Tensor, strength: float = 1.0, *, keep: float | None = None) -> Tensor:
    """The picture's Oklab lightness with the chroma of another of the same size.

    (L, a, b) = (L, keep * a + strength * a_of, keep * b + strength * b_of), with as much chroma as sRGB has at that
    lightness. Source: Gatys et al. 2017, section 5.1, where it is YIQ's.

    Args:
        picture: (B, 3, H, W).
        of: the picture whose chroma is taken, (B, 3, H, W) or (1, 3, H, W).
        strength: from 0, the picture itself, to 1, the other's chroma.
        keep: how much of its own chroma it keeps (default: 1 - strength).

    Raises:
        ImageError: not pictures, or not of one size.
        RecipeError: the strength is not from 0 to 1.

    >>> painting, photo = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    >>> made = to_oklab(replace_chroma(painting, photo))
    >>> torch.allclose(made[:, 0], to_oklab(painting)[:, 0], atol=1e-3)
    True
    """
    check_picture(picture)
    check_picture(of, "the picture whose chroma is taken")
    if picture.shape[2:] != of.shape[2:]:
        size, other = (f"{each.shape[-1]} x {each.shape[-2]}" for each in (picture, of))
        raise ImageError(f"chroma of a picture of {other} pixels does not fit one of {size}: resize it")
    share = 1 - strength if keep is None else keep

    def mixed(picture: Tensor) -> Tensor:
        lab, other = to_oklab(picture), to_oklab(of.to(picture))
        chroma = share * lab[:, 1:] + strength * other[:, 1:]
        return into_gamut(from_oklab(torch.cat([lab[:, :1], chroma], 1)))

    return _blended(mixed, picture, len(of), strength, final=True)


# --- statistics of colours -------------------------------------------------------------------------------


def moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, 3) and covariance (B, 3, 3) of a picture's colours, in float64 on the CPU.

    mean = sum(x) / N, covariance = sum((x - mean)(x - mean)^T) / N over the N = H W pixels.

    >>> moments(torch.ones(1, 3, 2, 2))[0]
    tensor([[1., 1., 1.]], dtype=torch.float64)
    """
    mean, covariance = _moments(_pixels(picture))
    return mean[..., 0], covariance


def _moments(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (..., 3, 1) and covariance (..., 3, 3) of pixels (..., 3, N)."""
    mean = pixels.mean(-1, keepdim=True)
    return mean, (pixels - mean) @ (pixels - mean).mT / pixels.shape[-1]


def blended_moments(pictures: list[Tensor], shares: Tensor) -> tuple[Tensor, Tensor]:
    """The moments of the colours of several pictures (1, 3, H, W) together, each with its share.

    mean = sum(w_i mean_i), covariance = sum(w_i (covariance_i + mean_i mean_i^T)) - mean mean^T, for shares w_i that
    add up to 1; the pictures may have any sizes.

    >>> black, white = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 9, 9)
    >>> blended_moments([black, white], torch.tensor([0.5, 0.5]))[1][0, 0]
    tensor([0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    means, covariances = map(torch.cat, zip(*map(moments, pictures), strict=True))
    shares = shares.to(means)
    mean = shares @ means
    second = torch.einsum("i,ijk->jk", shares, covariances + means[:, :, None] * means[:, None, :])
    return mean[None], (second - mean[:, None] * mean[None, :])[None]


def transport(source: Tensor, target: Tensor) -> Tensor:
    """The matrix T, (B, 3, 3), that turns colours of covariance ``source`` into such of covariance ``target``.

    T = target^1/2 (target^1/2 source target^1/2)^-1/2 target^1/2, so that T source T^T = target: of all matrices that
    do this the one that moves colours least (the optimal transport between normal distributions, of Monge and
    Kantorovich). Where ``source`` has no deviation, as in a grey picture, which varies along one line, there is
    nothing to make colours from: T is the optimal transport all the same, and gives a covariance below the target's.
    Source: Pitié and Kokaram, The linear Monge-Kantorovitch linear colour mapping, CVMP 2007.

    >>> one, four = torch.eye(3, dtype=torch.float64)[None], 4 * torch.eye(3, dtype=torch.float64)[None]
    >>> transport(one, four)[0, 0]
    tensor([2., 0., 0.], dtype=torch.float64)
    """
    source = _power(source, 1.0, STEP**2)
    root = _power(target, 0.5)
    return root @ _power(root @ source @ root, -0.5) @ root


def _power(matrix: Tensor, exponent: float, smallest: float = 0.0) -> Tensor:
    """A power of symmetric matrices, whose eigenvalues up to ``smallest``, or rounding, count as none."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    floor = (1e-12 * values.amax(-1, keepdim=True)).clamp(min=max(smallest, 1e-14))
    powers = torch.where(values > floor, values.clamp(min=1e-14) ** exponent, 0)
    return (vectors * powers[..., None, :]) @ vectors.mT


# --- matching --------------------------------------------------------------------------------------------


def match_colours(picture: Tensor, to: Tensor, method: str = "covariance", strength: float = 1.0) -> Tensor:
    """The picture with the colours of another, which may be the photograph's for a painting, or the other way round.

    ============== ===================================================================================
    method         what is the other's
    ============== ===================================================================================
    ``luminance``  the chroma of each pixel (`replace_chroma`); it has to have the same size
    ``covariance`` mean and covariance of its colours (`match_moments`)
    ``histogram``  the distribution of its colours (`match_histograms`)
    ============== ===================================================================================

    Args:
        picture: (B, 3, H, W), or (1, 3, H, W) to be matched to each of the others.
        to: (B, 3, H, W), or (1, 3, H, W) for all.
        method: one of `METHODS`.
        strength: from 0, the picture itself, to 1.

    Raises:
        ImageError: not pictures, or not as many, or (luminance) not of one size.
        RecipeError: there is no such method, or the strength is not from 0 to 1.

    >>> painting, photo = 0.3 + 0.3 * torch.rand(1, 3, 8, 8), 0.3 + 0.2 * torch.rand(1, 3, 9, 9)
    >>> torch.allclose(moments(match_colours(painting, photo))[1], moments(photo)[1], atol=1e-3)
    True
    """
    check_choice("method", method, METHODS)
    if method == "luminance":
        return replace_chroma(picture, to, strength)
    if method == "histogram":
        return match_histograms(picture, to, strength)
    check_picture(to, "the picture whose colours are taken")
    return match_moments(picture, *moments(to), strength)


def match_moments(picture: Tensor, mean: Tensor, covariance: Tensor, strength: float = 1.0) -> Tensor:
    """The picture with its colours shifted and mixed so that they have this mean and covariance.

    x' = T (x - mean_x) + mean, with T of `transport`, in sRGB as Gatys et al. 2017 (section 5.2) and Hertzmann et
    al., Image analogies, 2001, match; only what falls outside sRGB (`into_gamut`) keeps the match from being exact.
    A picture of one colour becomes the mean.

    Args:
        picture: (B, 3, H, W).
        mean: (B, 3) or (1, 3).
        covariance: (B, 3, 3) or (1, 3, 3).
        strength: from 0, the picture itself, to 1.

    Raises:
        ImageError: not a picture, or not as many as means.
        RecipeError: the strength is not from 0 to 1.

    >>> grey = torch.rand(1, 1, 8, 8).expand(1, 3, 8, 8)
    >>> match_moments(grey, torch.full((1, 3), 0.5), torch.zeros(1, 3, 3)).unique()
    tensor([0.5000])
    """

    mean, covariance = mean.cpu().double(), covariance.cpu().double()

    def matched(picture: Tensor) -> Tensor:
        own_mean, own_covariance = moments(picture)
        matrix = transport(own_covariance, covariance)
        shift = mean - (matrix @ own_mean[..., None])[..., 0]
        return into_gamut(_mixed(matrix, picture) + shift.to(picture)[..., None, None])

    return _blended(matched, picture, len(mean), strength)


def match_histograms(picture: Tensor, to: Tensor, strength: float = 1.0) -> Tensor:
    """The picture with the distribution of another's colours, not merely its channels' each by itself.

    First mean and covariance are matched (`transport`). Then the colours are moved to the other's quantiles along each
    of three perpendicular axes in sRGB, by optimal transport in one dimension, and again along three others:
    `DIRECTIONS` times at random (always the same), and at last along the channels, whose histograms then match. Pixels
    of one colour stay of one colour: where the other has several for them, they get the mean. Source: Pitié et al.,
    Automated colour grading using colour distribution transfer, 2007; today it is known as sliced optimal transport.

    Args:
        picture: (B, 3, H, W).
        to: (B, 3, h, w) or (1, 3, h, w).
        strength: from 0, the picture itself, to 1.

    Raises:
        ImageError: not pictures, or not as many.
        RecipeError: the strength is not from 0 to 1.

    >>> photo, painting = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8) ** 2
    >>> made = match_histograms(photo, painting)
    >>> torch.allclose(made.flatten(2).sort().values, painting.flatten(2).sort().values)
    True
    """

    def matched(picture: Tensor) -> Tensor:
        pairs = zip(_pixels(picture), _pixels(to).expand(len(picture), -1, -1), strict=True)
        moved = torch.stack([_moved(own, other) for own, other in pairs])
        return into_gamut(moved.view(picture.shape).to(picture))

    check_picture(to, "the picture whose colours are taken")
    return _blended(matched, picture, len(to), strength)


def _moved(colours: Tensor, to: Tensor) -> Tensor:
    """Colours (3, N) moved to the distribution of others (3, M)."""
    (mean, covariance), (mean_to, covariance_to) = map(_moments, (colours, to))
    colours = _turned(transport(covariance, covariance_to), colours - mean) + mean_to
    generator = torch.Generator().manual_seed(0)
    for i in range(DIRECTIONS + 1):
        axes = torch.eye(3, dtype=torch.float64)
        if i < DIRECTIONS:
            axes = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator)).Q
        along, wanted = _turned(axes.T, colours), _turned(axes.T, to)
        colours = _turned(axes, torch.stack(list(map(_to_quantiles, along, wanted))))
    return colours


def _turned(matrix: Tensor, colours: Tensor) -> Tensor:
    """The product, by separate additions: a matrix product may round pixels of one colour to different values."""
    return torch.stack([sum(a * x for a, x in zip(row, colours, strict=True)) for row in matrix.tolist()])


def _to_quantiles(values: Tensor, to: Tensor) -> Tensor:
    """Each value's share of all values, from the smallest up, becomes the mean of the same share of others."""
    # Within rounding they are of one value, or one colour would be torn apart.
    _, which, counts = (values * 2**30).round().unique(return_inverse=True, return_counts=True)
    ordered = to.sort().values
    areas = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])  # the integral of the quantiles, up to each
    edges = counts.cumsum(0).double() * (len(to) / len(values))
    whole = edges.long().clamp(max=len(to) - 1)
    reached = areas[whole] + (edges - whole) * ordered[whole]
    means = reached.diff(prepend=reached.new_zeros(1)) / (counts * (len(to) / len(values)))
    return means[which]


# --- what they share -------------------------------------------------------------------------------------


def _blended(
    change: Callable[[Tensor], Tensor], picture: Tensor, others: int, strength: float, *, final: bool = False
) -> Tensor:
    """``strength`` of the change, which is ``final`` if it blends by itself; checked, and with 0 the picture itself."""
    check_picture(picture)
    strength = check_number("strength", strength, 0, 1)
    count = max(len(picture), others)
    if {len(picture), others} - {1, count}:
        raise ImageError(f"{others} pictures to match {len(picture)} to: give one, or one for each")
    picture = picture.expand(count, -1, -1, -1)
    if strength == 0:
        return picture.clone()
    precise = picture.to(torch.promote_types(picture.dtype, torch.float32))
    changed = change(precise)
    return (changed if final else precise.lerp(changed, strength)).to(picture.dtype)


def _pixels(picture: Tensor) -> Tensor:
    """(B, 3, N) in float64; on the CPU, for not every device has it."""
    return picture.detach().cpu().double().flatten(2)


def _mixed(matrix: Tensor, picture: Tensor) -> Tensor:
    """A matrix, (3, 3) or (B, 3, 3), times each pixel."""
    return torch.einsum("...ij,...jhw->...ihw", matrix.to(picture), picture)
