#!/usr/bin/env python3
"""Make augment.json: what scipy, torchvision and Pillow make of small images, for taper-dataset's
augment.

    pip install numpy scipy torch torchvision pillow
    python augment.py

The input is a fixed function of the place (resize.py's), so that only the results are kept. Where
the reference computes in floats, its result is rounded half up.
"""

import json
from pathlib import Path

import numpy as np
import PIL
import scipy
import torch
import torchvision
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

SIZES = [(16, 20, 1), (13, 11, 3)]


def pattern(height, width, channels):
    k = np.arange(height * width * channels, dtype=np.int64)
    values = (7919 * k + 31 * k * k) % 256
    values[k % 11 == 3] = 0
    values[k % 13 == 5] = 255
    return values.astype(np.uint8).reshape(height, width, channels)


def smooth(height, width, channels):
    """Slow waves, as in pictures: neighbours are alike."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return ((x * 9 + y * 13 + c * 60 + (x * y) % 7) % 256).astype(np.uint8)


def hexed(array):
    rounded = np.clip(np.floor(np.asarray(array, dtype=np.float64) + 0.5), 0, 255)
    return bytes(rounded.astype(np.uint8).reshape(-1)).hex()


def tensor(array):
    return torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)


def from_tensor(t):
    return t.permute(1, 2, 0).numpy()


def affine():
    motions = [
        dict(angle=0.0, translate=[3.0, -2.0], scale=1.0, shear=0.0),
        dict(angle=17.0, translate=[0.0, 0.0], scale=1.0, shear=0.0),
        dict(angle=0.0, translate=[0.0, 0.0], scale=1.3, shear=0.0),
        dict(angle=0.0, translate=[0.0, 0.0], scale=1.0, shear=20.0),
        dict(angle=-33.5, translate=[1.25, 0.75], scale=0.8, shear=-12.0),
        dict(angle=140.0, translate=[-2.5, 4.0], scale=1.1, shear=30.0),
    ]
    for size in SIZES:
        for m in motions:
            out = F.affine(
                tensor(pattern(*size)),
                angle=m["angle"],
                translate=m["translate"],
                scale=m["scale"],
                shear=[m["shear"], 0.0],
                interpolation=InterpolationMode.BILINEAR,
            )
            yield {"size": size, **m, "pixels": hexed(from_tensor(out))}


def perspective():
    for h, w, c in SIZES:
        start = [[0, 0], [w, 0], [w, h], [0, h]]
        end = [[1.5, 2.0], [w - 3.0, 0.5], [w - 0.25, h - 4.0], [2.0, h - 1.0]]
        out = F.perspective(
            tensor(pattern(h, w, c)), start, end, interpolation=InterpolationMode.BILINEAR
        )
        yield {"size": (h, w, c), "from": end, "to": start, "pixels": hexed(from_tensor(out))}


def noise(height, width, offset):
    k = np.arange(height * width, dtype=np.int64) + offset
    return (((7919 * k + 31 * k * k) % 256) / 127.5 - 1.0).reshape(height, width)


def elastic():
    for (h, w, c), alpha, sigma in [(SIZES[0], 20.0, 2.0), (SIZES[1], 34.0, 4.0)]:
        dx, dy = (
            ndimage.gaussian_filter(noise(h, w, o), sigma, mode="constant", truncate=3.0) * alpha
            for o in (0, 1000)
        )
        y, x = np.mgrid[0:h, 0:w].astype(np.float64)
        image = pattern(h, w, c).astype(np.float64)
        out = np.stack(
            [
                ndimage.map_coordinates(
                    image[:, :, k], [y + dy, x + dx], order=1, mode="grid-constant"
                )
                for k in range(c)
            ],
            axis=-1,
        )
        yield {
            "size": (h, w, c),
            "alpha": alpha,
            "sigma": sigma,
            "x": [round(v, 5) for v in dx.reshape(-1)],
            "pixels": hexed(out),
        }


def borders():
    h, w, c = SIZES[0]
    image = pattern(h, w, c)[:, :, 0].astype(np.float64)
    matrix = np.array([[0.9, 0.35], [-0.3, 1.1]])
    offset = np.array([-4.0, 3.0])
    for border, mode in [("black", "grid-constant"), ("edge", "nearest"), ("reflect", "mirror")]:
        out = ndimage.affine_transform(image, matrix, offset, order=1, mode=mode)
        yield {"border": border, "pixels": hexed(out)}


def blur():
    for size in SIZES:
        for sigma in (0.4, 1.0, 2.3):
            image = pattern(*size).astype(np.float64)
            out = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="mirror", truncate=3.0)
            yield {"size": size, "sigma": sigma, "pixels": hexed(out)}


def colors():
    functions = {
        "brightness": (F.adjust_brightness, [0.4, 1.7]),
        "contrast": (F.adjust_contrast, [0.4, 1.7]),
        "saturation": (F.adjust_saturation, [0.4, 1.7]),
        "hue": (F.adjust_hue, [-0.3, 0.12]),
    }
    for name, (function, factors) in functions.items():
        for factor in factors:
            out = function(tensor(smooth(*SIZES[1])) / 255.0, factor) * 255.0
            yield {"name": name, "factor": factor, "pixels": hexed(from_tensor(out))}


def tones():
    for size in SIZES:
        array = smooth(*size) // 2 + 40
        image = Image.fromarray(array[:, :, 0] if size[2] == 1 else array)
        results = {
            "posterize": ImageOps.posterize(image, 5),
            "solarize": ImageOps.solarize(image, 120),
            "autocontrast": ImageOps.autocontrast(image),
            "equalize": ImageOps.equalize(image),
            "sharpen": ImageEnhance.Sharpness(image).enhance(1.8),
        }
        for name, out in results.items():
            yield {"size": size, "name": name, "pixels": hexed(np.asarray(out))}


def crops():
    for h, w, c in SIZES:
        array = pattern(h, w, c)
        image = Image.fromarray(array[:, :, 0] if c == 1 else array)
        for top, left, height, width in [(2, 3, 9, 7), (0, 0, 5, 11)]:
            box = (left, top, left + width, top + height)
            out = image.resize((8, 6), Image.Resampling.BILINEAR, box=box)
            yield {"size": (h, w, c), "part": [top, left, height, width], "pixels": hexed(out)}


def main():
    versions = {m.__name__: m.__version__ for m in (np, scipy, torch, torchvision, PIL)}
    parts = (affine, perspective, elastic, borders, blur, colors, tones, crops)
    out = {"versions": versions, **{part.__name__: list(part()) for part in parts}}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes")


main()
