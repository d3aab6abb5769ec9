"""What both checks need: the Rust side as a function, and the comparison."""

import json
import pathlib
import subprocess
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4


def build():
    """Builds the Rust side once."""
    command = ["cargo", "build", "--quiet", "--package", "taper-model", "--example", "logits"]
    subprocess.run(command, cwd=ROOT, check=True)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    found = subprocess.run(metadata, cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(json.loads(found.stdout)["target_directory"]) / "debug/examples/logits"


def run(program, net, images, classes, **options):
    """Logits and probabilities of the Rust net on images (n, c, h, w)."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/images.safetensors", f"{folder}/logits.safetensors"
        save_file({"images": np.ascontiguousarray(images)}, source)
        command = [str(program), net, str(classes), source, target]
        for name, value in options.items():
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return load_file(target)


def compare(what, ours, theirs, tolerance=TOLERANCE):
    """Prints the largest difference; raises where it is above the tolerance or nothing was compared."""
    assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    assert np.isfinite(ours).all() and np.ptp(theirs) > 10 * tolerance, what
    difference = float(np.abs(ours - theirs).max())
    verdict = "ok" if difference <= tolerance else "TOO LARGE"
    print(f"{what:<58} {difference:.2e}  {verdict}")
    assert difference <= tolerance, what


def images(n, channels, height, width, seed):
    """Images in [0, 1), the same on every machine."""
    return np.random.default_rng(seed).random((n, channels, height, width), dtype=np.float32)
