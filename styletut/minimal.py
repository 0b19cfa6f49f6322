"""Neural style transfer on one page (Gatys, Ecker and Bethge, CVPR 2016).

The pixels of a picture are optimised until a network, VGG-19, finds in it
the content of a photograph and the style of a painting. To run it:
python -m styletut.minimal photo.jpg painting.jpg out.png
"""

import sys

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from .weights import load_weights

CONTENT_LAYER = "relu4_2"
STYLE_LAYERS = "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"
CONTENT_WEIGHT, STYLE_WEIGHT, TV_WEIGHT = 0.1, 1.0, 0.1
SIZE, STEPS = 512, 300  # longer side in pixels, steps of the optimiser

# VGG-19 as far as it is needed. A layer's place here is its number in the
# weights: conv1_2 has features.2.weight and features.2.bias.
VGG19 = """
    conv1_1 relu1_1 conv1_2 relu1_2 pool1
    conv2_1 relu2_1 conv2_2 relu2_2 pool2
    conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 conv3_4 relu3_4 pool3
    conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 conv4_4 relu4_4 pool4
    conv5_1 relu5_1"""
MEAN = torch.tensor([123.68 / 255, 116.779 / 255, 103.939 / 255])  # RGB
Tensors = dict[str, Tensor]


def features(picture: Tensor, vgg: Tensors) -> Tensors:
    """What every layer sees, (1, N, h, w), in a picture (1, 3, H, W)."""
    # VGG was trained on values of 0 to 255, minus the mean, blue first.
    x = 255 * (picture - MEAN.to(picture).view(3, 1, 1)).flip(1)
    seen = {}
    for number, layer in enumerate(VGG19.split()):
        if layer.startswith("conv"):
            key = f"features.{number}."
            x = conv2d(x, vgg[key + "weight"], vgg[key + "bias"], padding=1)
        else:
            x = relu(x) if layer.startswith("relu") else max_pool2d(x, 2)
        seen[layer] = x
    return seen


def gram(x: Tensor) -> Tensor:
    """Which of N channels are active together: F F^T / M, (N, N)."""
    f = x[0].flatten(1)  # (N, M): the order of the M positions is lost
    return f @ f.T / f.shape[1]


def distance(x: Tensor, target: Tensor) -> Tensor:
    """sum (x - target)^2 / sum target^2: 0 if equal, 1 if x is zero."""
    return (x - target).square().sum() / target.square().sum()


def total_variation(picture: Tensor) -> Tensor:
    """sum (dx^2 + dy^2) / pixels: how much neighbouring pixels differ."""
    dx, dy = picture.diff(dim=3), picture.diff(dim=2)
    return (dx.square().sum() + dy.square().sum()) / picture[0, 0].numel()


def losses(x: Tensor, content: Tensor, style: Tensors, vgg: Tensors) -> Tensor:
    """Content, style and total variation of a picture x, weighted: (3,)."""
    seen = features(x, vgg)
    styles = [distance(gram(seen[k]), style[k]) for k in STYLE_LAYERS]
    content_loss = CONTENT_WEIGHT * distance(seen[CONTENT_LAYER], content)
    style_loss = STYLE_WEIGHT * torch.stack(styles).mean()
    tv_loss = TV_WEIGHT * total_variation(x)
    return torch.stack([content_loss, style_loss, tv_loss])


def paint(photo: Tensor, art: Tensor, steps: int, adam: bool = False) -> Tensor:
    """A picture with the content of the one and the style of the other."""
    vgg = {name: w.to(photo) for name, w in load_weights().state.items()}
    content = features(photo, vgg)[CONTENT_LAYER]
    style = {k: gram(x) for k, x in features(art, vgg).items()}
    picture = photo.contiguous().clone().requires_grad_()  # the unknowns
    lbfgs = torch.optim.LBFGS([picture], max_iter=1, history_size=10)
    optimizer = torch.optim.Adam([picture], lr=0.05) if adam else lbfgs

    def closure() -> float:
        optimizer.zero_grad()
        loss = losses(picture, content, style, vgg).sum()
        loss.backward()
        return loss.item()

    for step in range(1, steps + 1):
        loss = optimizer.step(closure)
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.4f}")
    return picture.detach().clamp(0, 1)


def load(path: str, size: int = SIZE) -> Tensor:
    """A file as a tensor (1, 3, H, W): RGB, 0 to 1, at most size a side."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    image.thumbnail((size, size))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255


def save(picture: Tensor, path: str) -> None:
    """Write a picture (1, 3, H, W) of 0 to 1 to a file."""
    pixels = (255 * picture[0]).round().byte().permute(1, 2, 0)
    Image.fromarray(pixels.cpu().numpy()).save(path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m styletut.minimal PHOTO PAINTING OUT")
    gpu = torch.accelerator.current_accelerator(check_available=True)
    try:
        photo, painting = (load(p).to(gpu or "cpu") for p in sys.argv[1:3])
        save(paint(photo, painting, STEPS), sys.argv[3])
    except (OSError, ValueError) as error:
        sys.exit(f"styletut.minimal: {error}")
