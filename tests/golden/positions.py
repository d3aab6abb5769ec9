"""Position embeddings resampled by PyTorch, as timm (antialias) and transformers (without) do.

    python tests/golden/positions.py

writes `positions.json` beside this file. `crates/model/tests/backbones/positions.rs` reads it.

The grid's values are not stored: `((i * 7919) mod 2003) / 1001.5 - 1`, i the element's index in (1, 1 + h * w, d).
"""

import json
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F

D = 2


def values(n):
    i = numpy.arange(n, dtype=numpy.int64)
    return torch.from_numpy((((i * 7919) % 2003) / 1001.5 - 1.0).astype(numpy.float32)).double()


cases = []
for side, height, width in [(4, 3, 5), (4, 7, 7), (7, 2, 3), (37, 16, 12), (2, 5, 1), (1, 2, 2)]:
    whole = values((1 + side * side) * D).reshape(1, 1 + side * side, D)
    grid = whole[:, 1:].reshape(1, side, side, D).permute(0, 3, 1, 2)
    for antialias in (False, True):
        new = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False, antialias=antialias)
        new = torch.cat([whole[:, :1], new.permute(0, 2, 3, 1).reshape(1, height * width, D)], dim=1)
        cases.append(
            {
                "side": side,
                "height": height,
                "width": width,
                "antialias": antialias,
                "expected": [float(f"{v:.8g}") for v in new.flatten().tolist()],
            }
        )
fixture = {
    "generator": {
        "script": "tests/golden/positions.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    },
    "cases": cases,
}
path = pathlib.Path(__file__).with_name("positions.json")
path.write_text(json.dumps(fixture, separators=(",", ":")).replace('{"side"', '\n{"side"') + "\n")
print(path.name, path.stat().st_size)
