#!/usr/bin/env python3
"""Make images/: small files of every format and kind that is read, with what Pillow reads in them.

    pip install pillow numpy
    python images.py

`pixels.json` holds, for each file, height, width, channels and the bytes after `convert("L")` or
`convert("RGB")`, EXIF orientation applied.
"""

import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps


def colours(height=6, width=8):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 30, y * 40, (x + y) * 15], axis=-1).astype(np.uint8)


def main():
    folder = Path(__file__).with_suffix("")
    folder.mkdir(exist_ok=True)
    rgb = Image.fromarray(colours())
    grey = rgb.convert("L")
    rgba = rgb.copy()
    rgba.putalpha(grey)
    deep = Image.fromarray((np.arange(48, dtype=np.uint16) * 1300).reshape(6, 8))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by 90 degrees
    files = {
        "palette.png": (rgb.quantize(16), {}),
        "palette-alpha.png": (rgb.quantize(16), {"transparency": 3}),
        "bits.png": (grey.point(lambda v: 255 * (v > 90)).convert("1"), {}),
        "grey-alpha.png": (rgba.convert("LA"), {}),
        "rgba.png": (rgba, {}),
        "deep.png": (deep, {}),
        "grey.bmp": (grey, {}),
        "rgb.bmp": (rgb, {}),
        "moving.gif": (rgb, {"save_all": True, "append_images": [ImageOps.invert(rgb)]}),
        "rgb.tif": (rgb, {"compression": "tiff_lzw"}),
        "grey.tif": (grey, {"compression": "tiff_adobe_deflate"}),
        "deep.tif": (deep, {}),
        "lossless.webp": (rgb, {"lossless": True}),
        "lossy.webp": (rgb, {"quality": 95}),
        "grey.jpg": (grey, {"quality": 95}),
        "rgb.jpg": (rgb, {"quality": 95, "subsampling": 0}),
        "turned.jpg": (rgb, {"quality": 95, "subsampling": 0, "exif": turned}),
        "turned.png": (rgb, {"exif": turned}),
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 95}),
    }
    known = {}
    for name, (image, options) in files.items():
        image.save(folder / name, **options)
        read = ImageOps.exif_transpose(Image.open(folder / name))
        if read.mode.startswith("I;16"):
            pixels = (np.asarray(read).astype(np.float64) / 257 + 0.5).astype(np.uint8)
        else:
            has_colour = read.mode not in ("L", "LA", "1", "I")
            pixels = np.asarray(read.convert("RGB" if has_colour else "L"))
        shape = list(pixels.shape) + [1] * (3 - pixels.ndim)
        known[name] = {"size": shape, "pixels": bytes(pixels.reshape(-1)).hex()}
    out = {"pillow": PIL.__version__, "files": known}
    (folder / "pixels.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(sum(path.stat().st_size for path in folder.iterdir()), "bytes")


main()
