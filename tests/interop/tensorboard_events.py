"""Checks the event files that a run writes with TensorBoard's own reader.

    python tests/interop/tensorboard_events.py

Needs the package `tensorboard`; builds and runs the Rust side itself, or runs the program in `TAPER`. Every scalar that TensorBoard finds
is compared with the run's history; a broken checksum or message ends in an error.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.version import VERSION

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = shlex.split(os.environ.get("TAPER", "cargo run -q --package xtask --"))
        command += ["train", "--net", "mlp", "--epochs", "3"]
        command += ["--tensorboard", "--quiet", "--set", "data.validation_fraction=0.1"]
        command += ["--set", "log.every_steps=5", "--out", str(run)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        events = EventAccumulator(str(run / "tensorboard"))
        events.Reload()
        history = [json.loads(line) for line in (run / "history.jsonl").open()]

    def ours(event, value):
        return [(line["step"], value(line)) for line in history if line["event"] == event]

    expected = {
        "step/loss": ours("step", lambda line: line["loss"]),
        "step/learning_rate": ours("step", lambda line: line["learning_rate"]),
        "step/gradient_norm": ours("step", lambda line: line["gradient_norm"]),
        "train/loss": ours("epoch", lambda line: line["loss"]),
        "train/images_per_second": ours("epoch", lambda line: line["images_per_second"]),
        "train/data_wait": ours("epoch", lambda line: line["data_wait"]),
        "validation/loss": ours("epoch", lambda line: line["validation"]["loss"]),
        "validation/accuracy": ours("epoch", lambda line: line["validation"]["accuracy"]),
        "validation/macro_f1": ours("epoch", lambda line: line["validation"]["macro_f1"]),
    }
    tags = set(events.Tags()["scalars"])
    if tags != set(expected):
        sys.exit(f"tags: TensorBoard has {sorted(tags)}, expected {sorted(expected)}")
    for tag, values in expected.items():
        found = [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]
        same = len(found) == len(values) and all(
            f[0] == v[0] and abs(f[1] - v[1]) <= 1e-6 * abs(v[1]) for f, v in zip(found, values)
        )
        if not same or not values:
            sys.exit(f"{tag}: TensorBoard has {found}, the history {values}")
        print(f"{tag}: {len(values)} points agree")
    print(f"TensorBoard {VERSION} reads all of it")


main()
