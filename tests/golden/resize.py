#!/usr/bin/env python3
"""Make resize.json: what Pillow makes of small images, for taper-dataset's resize.

    pip install pillow numpy
    python resize.py

The input is a fixed function of the place, so that only the results are kept.
"""

import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

FILTERS = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# (height, width) from, (height, width) to: larger, smaller, both, one side only, odd ratios.
SIZES = [
    ((8, 8), (20, 20)),
    ((8, 5), (28, 17)),
    ((28, 28), (11, 11)),
    ((37, 23), (10, 16)),
    ((5, 40), (17, 9)),
    ((6, 6), (6, 13)),
    ((1, 1), (3, 2)),
]


def pattern(height, width, channels):
    """The same in the test: (7919 k + 31 k^2) mod 256 at place k, a few fully black and white."""
    k = np.arange(height * width * channels, dtype=np.int64)
    values = (7919 * k + 31 * k * k) % 256
    values[k % 11 == 3] = 0
    values[k % 13 == 5] = 255
    return values.astype(np.uint8).reshape(height, width, channels)


def main():
    cases = []
    for channels in (1, 3):
        for (h, w), (to_h, to_w) in SIZES:
            array = pattern(h, w, channels)
            image = Image.fromarray(array[:, :, 0] if channels == 1 else array)
            for name, resample in FILTERS.items():
                result = np.asarray(image.resize((to_w, to_h), resample))
                cases.append(
                    {
                        "from": [h, w, channels],
                        "to": [to_h, to_w],
                        "filter": name,
                        "pixels": bytes(result.reshape(-1)).hex(),
                    }
                )
    colours = pattern(16, 16, 3)
    luma = np.asarray(Image.fromarray(colours).convert("L"))
    out = {
        "pillow": PIL.__version__,
        "cases": cases,
        "luma": {"from": [16, 16, 3], "pixels": bytes(luma.reshape(-1)).hex()},
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes")


main()
