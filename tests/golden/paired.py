"""Writes paired.json: paired tests by scipy, temperatures by scipy.

    python tests/golden/paired.py

Needs numpy and scipy.
"""

import json
import pathlib
import platform

import numpy as np
import scipy
from scipy import optimize, special, stats


def t_tests(rng):
    for folds, spread in [(2, 0.01), (3, 0.002), (5, 0.01), (10, 0.02), (30, 0.1)]:
        a = np.round(0.95 + spread * rng.standard_normal(folds), 6)
        b = np.round(0.94 + spread * rng.standard_normal(folds), 6)
        plain = stats.ttest_rel(a, b)
        # Nadeau and Bengio's correction, with the distribution of scipy.
        difference = a - b
        t = difference.mean() / np.sqrt(difference.var(ddof=1) * (1 / folds + 1 / (folds - 1)))
        yield {
            "a": a.tolist(),
            "b": b.tolist(),
            "t": plain.statistic,
            "p": plain.pvalue,
            "corrected_t": t,
            "corrected_p": 2 * stats.t.sf(abs(t), folds - 1),
        }


def coins():
    for few, many in [(0, 1), (0, 6), (1, 4), (3, 3), (10, 25), (120, 180), (900, 1100), (0, 0)]:
        n = few + many
        p = stats.binomtest(few, n).pvalue if n else 1.0
        yield {"only_first": few, "only_second": many, "p": p}


def temperatures(rng):
    for classes, scale in [(2, 1.0), (3, 4.0), (10, 0.3)]:
        logits = np.round(2 * rng.standard_normal((60, classes)), 3)
        p = special.softmax(logits, axis=1)
        labels = np.array([rng.choice(classes, p=row) for row in p])
        scaled = np.round(scale * logits, 3)

        def loss(log_inverse):
            z = np.exp(log_inverse) * scaled
            return -(special.log_softmax(z, axis=1)[np.arange(60), labels]).mean()

        best = optimize.minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})
        yield {
            "classes": classes,
            "labels": labels.tolist(),
            "logits": scaled.ravel().tolist(),
            "temperature": float(np.exp(-best.x)),
            "loss": float(best.fun),
        }


def main():
    rng = np.random.default_rng(7)
    out = {
        "made_by": "tests/golden/paired.py",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "t_tests": list(t_tests(rng)),
        "coins": list(coins()),
        "temperatures": list(temperatures(rng)),
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, indent=1) + "\n")


main()
