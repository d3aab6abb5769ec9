"""Writes crop.json: which pixels timm, torchvision and transformers cut out of images of odd sizes.

    python tests/golden/crop.py

Written with Pillow 13.0.0, timm 1.0.31, torchvision 0.29.2, transformers 5.24.0. Of what comes out a hash is kept,
of the bytes before they are normalized.
"""

import json
import pathlib

import numpy as np
import timm.data
import torchvision.transforms as tv
import transformers
from PIL import Image

SIZES = [(41, 50), (200, 300), (300, 201), (427, 640), (64, 64), (65, 64)]


def image(height, width):
    i = np.arange(height * width * 3)
    values = (i * 7919) % 65521 * 31 % 251
    return Image.fromarray(values.astype(np.uint8).reshape(height, width, 3))


def fnv(pixels):
    digest = 0xCBF29CE484222325
    for byte in np.asarray(pixels, dtype=np.uint8).tobytes():
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def timms(picture, to, share, filter):
    prepare = timm.data.create_transform(
        input_size=(3, *to), is_training=False, interpolation=filter, crop_pct=share, crop_mode="center", normalize=False
    )
    return prepare(picture).permute(1, 2, 0).numpy()


def torchvisions(picture, to, edge, filter):
    mode = {"bilinear": tv.InterpolationMode.BILINEAR, "bicubic": tv.InterpolationMode.BICUBIC}[filter]
    return np.asarray(tv.Compose([tv.Resize(edge, interpolation=mode), tv.CenterCrop(to)])(picture))


def bits(picture, to, edge, filter):
    prepare = transformers.BitImageProcessorPil(
        size={"shortest_edge": edge},
        crop_size={"height": to[0], "width": to[1]},
        resample={"bilinear": 2, "bicubic": 3}[filter],
        do_rescale=False,
        do_normalize=False,
    )
    return np.asarray(prepare(picture, return_tensors="np")["pixel_values"][0]).transpose(1, 2, 0)


def convnexts(picture, to, share, filter):
    prepare = transformers.ConvNextImageProcessorPil(
        size={"shortest_edge": to[0]},
        crop_pct=share,
        resample={"bilinear": 2, "bicubic": 3}[filter],
        do_rescale=False,
        do_normalize=False,
    )
    return np.asarray(prepare(picture, return_tensors="np")["pixel_values"][0]).transpose(1, 2, 0)


def deits(picture, to, size, filter):
    prepare = transformers.DeiTImageProcessorPil(
        size={"height": size[0], "width": size[1]},
        crop_size={"height": to[0], "width": to[1]},
        resample={"bilinear": 2, "bicubic": 3}[filter],
        do_rescale=False,
        do_normalize=False,
    )
    return np.asarray(prepare(picture, return_tensors="np")["pixel_values"][0]).transpose(1, 2, 0)


def main():
    cuts = []

    def add(what, size, to, crop, filter, pixels):
        assert pixels.shape == (*to, 3), (what, size, to, pixels.shape)
        cuts.append({"what": what, "from": size, "to": to, "crop": crop, "filter": filter, "hash": fnv(pixels)})

    for size in SIZES:
        picture = image(*size)
        for to, share in (((64, 64), 0.95), ((56, 56), 0.875), ((48, 64), 0.9), ((63, 32), 0.875)):
            add("timm", size, to, share, "bicubic", timms(picture, to, share, "bicubic"))
        add("torchvision", size, (56, 56), 0.875, "bilinear", torchvisions(picture, (56, 56), 64, "bilinear"))
        for edge in (64, 61):
            crop = {"edge": edge, "of": 56}
            add("BitImageProcessor", size, (56, 56), crop, "bicubic", bits(picture, (56, 56), edge, "bicubic"))
        crop = {"edge": 61, "of": 40}
        add("BitImageProcessor", size, (40, 56), crop, "bilinear", bits(picture, (40, 56), 61, "bilinear"))
        crop = {"edge": int(56 / 0.9), "of": 56}
        add("ConvNextImageProcessor", size, (56, 56), crop, "bicubic", convnexts(picture, (56, 56), 0.9, "bicubic"))
        for to, whole, filter in (
            ((56, 56), (64, 64), "bicubic"),
            ((56, 56), (61, 61), "bicubic"),
            ((40, 56), (60, 84), "bilinear"),
        ):
            crop = {"stretch": whole[0], "of": to[0]}
            add("DeiTImageProcessor", size, to, crop, filter, deits(picture, to, whole, filter))
    lines = ",\n".join(json.dumps(cut) for cut in cuts)
    pathlib.Path(__file__).with_name("crop.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
