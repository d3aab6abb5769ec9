"""The learning curve of docs/data.md: MNIST's weights, fine-tuned on few labels of another hand.

    cargo build --release -p taper-cli
    python benches/learning_curve.py --taper target/release/taper > curve.md

The UCI digits, 20 % held out (split seed 0) and never trained on. For each number of labels a class,
method and seed one run: the seed draws the labels, the order and what is initialized. All runs have
the recipe `finetune-digits` with 200 updates of 32 images (fewer images: all of them). The rates of the
head alone and of LoRA are chosen beforehand with --rates, on folds of what may be trained on. Needs
Python alone; takes about five minutes on two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

COUNTS = [1, 3, 10, 30, 100]
SEEDS = range(5)
METHODS = {
    "head only": ["finetune", "--method", "head"],
    "LoRA": ["finetune", "--method", "lora"],
    "full": ["finetune", "--method", "full"],
    "from scratch": ["train", "--recipe", "finetune-digits", "--set", "model.weights="],
}
STEPS = 200


def run(taper, words, out):
    words = [taper, *words, "--json", "--quiet", "--out", out, "--set", "log.report=false"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return json.loads(done.stdout)


def words_of(method, count, seed, rate):
    batch = min(32, 10 * count)
    epochs = -(-STEPS // -(-10 * count // batch))
    settings = {
        "data.per_class": count,
        "data.draw_seed": seed,
        "train.epochs": epochs,
        "train.max_steps": STEPS,
        "train.batch_size": batch,
        "optimizer.learning_rate": rate,
    }
    words = [*METHODS[method], "--seed", str(seed)]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return words


def rates(taper, folder):
    """Accuracy on folds of what may be trained on, at 10 labels a class."""
    print("| method | rate | accuracy on three folds |\n| --- | --- | --- |")
    for method in ["head only", "LoRA"]:
        for rate in [1e-3, 3e-3, 1e-2]:
            scores = []
            for fold in range(3):
                out = os.path.join(folder, f"rate-{method}-{rate}-{fold}")
                words = words_of(method, 10, fold, rate)
                words += ["--set", "data.folds=5", "--set", f"data.fold={fold}"]
                scores.append(100 * run(taper, words, out)["after"]["accuracy"])
            print(f"| {method} | {rate:g} | {spread(scores)} |", flush=True)


def spread(scores):
    return f"{statistics.mean(scores):.2f} ± {statistics.stdev(scores):.2f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--taper", required=True, help="the program")
    parser.add_argument("--rates", action="store_true", help="compare rates in place of the curve")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if flags.rates:
            return rates(flags.taper, folder)
        print("| labels a class | as loaded | " + " | ".join(METHODS) + " |")
        print("| --- | --- |" + " --- |" * len(METHODS))
        for count in COUNTS:
            row, loaded = [], None
            for method in METHODS:
                scores = []
                for seed in SEEDS:
                    out = os.path.join(folder, f"{count}-{method}-{seed}")
                    result = run(flags.taper, words_of(method, count, seed, RATES[method]), out)
                    scores.append(100 * result["after"]["accuracy"])
                    if method == "full":
                        loaded = 100 * result["before"]["accuracy"]
                row.append(spread(scores))
            print(f"| {count} | {loaded:.2f} | " + " | ".join(row) + " |", flush=True)


# Those of the head and of LoRA chosen with --rates.
RATES = {"head only": 1e-2, "LoRA": 1e-3, "full": 1e-3, "from scratch": 1e-3}

if __name__ == "__main__":
    main()
