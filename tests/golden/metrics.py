"""Writes metrics.json: what scikit-learn says about small sets of predictions.

    python tests/golden/metrics.py

Needs numpy and scikit-learn. Probabilities are stored as whole numbers over `scale`, a power of two,
so that every program, in single precision too, reads exactly the same ones. `null` is what is
undefined, where Taper gives an error, or NaN for a score that asked for it.
"""

import json
import math
import pathlib
import platform
import warnings

import numpy as np
import sklearn
from sklearn import metrics as sk

warnings.filterwarnings("ignore")  # undefined cases, which are recorded as null


def samples(rng, counts, scale, concentration, confusable=1.0):
    """Labels with `counts` of each class, shuffled, and rows of whole numbers that add up to scale."""
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    rows = []
    for label in labels:
        mean = np.full(len(counts), confusable)
        mean[label] += concentration
        rows.append(rng.multinomial(scale, rng.dirichlet(mean)))
    return labels, np.array(rows)


def cases():
    rng = np.random.default_rng(20240607)
    yield "balanced", 64, *samples(rng, [6, 6, 6], 64, 2.0)
    yield "imbalanced", 64, *samples(rng, [14, 4, 2, 1], 64, 1.5)

    # The last class always loses to the first.
    labels, rows = samples(rng, [5, 5, 4], 64, 2.0)
    low = np.minimum(rows[:, 2], rows[:, 0])
    rows[:, 0] += rows[:, 2] - low
    rows[:, 2] = low
    yield "a class never predicted", 64, labels, rows

    # Class 2 is predicted but is no label; class 3 is neither.
    labels, rows = samples(rng, [6, 5, 0, 0], 64, 2.0, 1.5)
    rows[:, 0] += rows[:, 3]
    rows[:, 3] = 0
    rows[4] = [12, 8, 44, 0]
    yield "classes absent in labels", 64, labels, rows

    labels = np.array([2, 0, 1, 1, 0, 2, 0])
    yield "perfect", 64, labels, np.eye(3, dtype=int)[labels] * 40 + 8

    labels, rows = samples(rng, [6, 5, 5], 4, 1.0)
    yield "ties", 4, labels, rows

    yield "binary", 1 << 12, *samples(rng, [11, 9], 1 << 12, 1.0)
    yield "ten classes", 64, *samples(rng, [4, 3, 5, 4, 2, 4, 6, 3, 4, 5], 64, 4.0, 0.5)


def number(value):
    """JSON has no NaN."""
    return None if math.isnan(value) else float(value)


def numbers(values):
    return [number(v) for v in values]


def scores(labels, predictions, classes, zero_division):
    def of(average, beta=1.0):
        # Averages are over the classes that are a label or a prediction, which is what no `labels` means.
        return sk.precision_recall_fscore_support(
            labels,
            predictions,
            beta=beta,
            labels=classes if average is None else None,
            average=average,
            zero_division=zero_division,
        )

    out = dict(zip(["precision", "recall", "f1"], (numbers(v) for v in of(None)[:3])))
    for average in ["micro", "macro", "weighted"]:
        out[average] = numbers(of(average)[:3])
        out[f"{average}_f_half"] = number(of(average, 0.5)[2])
    out["f2"] = numbers(of(None, 2.0)[2])
    return out


def one_vs_rest(metric, one_hot, probabilities, needs_negatives):
    """Of each class (null where undefined), and the averages; a macro average needs all classes."""

    def defined(column):
        return column.any() and not (needs_negatives and column.all())

    classes = range(one_hot.shape[1])
    per_class = [
        float(metric(one_hot[:, c], probabilities[:, c])) if defined(one_hot[:, c]) else None
        for c in classes
    ]
    complete = None not in per_class
    return {
        "per_class": per_class,
        "macro": float(metric(one_hot, probabilities, average="macro")) if complete else None,
        "weighted": float(metric(one_hot, probabilities, average="weighted")),
        "micro": float(metric(one_hot, probabilities, average="micro")),
    }


def calibration(labels, probabilities, num_bins):
    """Expected and maximum calibration error by definition: bins (lower, upper], the first also 0."""
    predictions = probabilities.argmax(axis=1)
    confidences = probabilities.max(axis=1)
    bins, expected, maximum = [], 0.0, 0.0
    for b in range(num_bins):
        lower, upper = b / num_bins, (b + 1) / num_bins
        inside = (confidences > lower) & (confidences <= upper)
        if b == 0:
            inside |= confidences == 0.0
        if not inside.any():
            bins.append([0, None, None])
            continue
        confidence = float(confidences[inside].mean())
        accuracy = float((predictions[inside] == labels[inside]).mean())
        bins.append([int(inside.sum()), confidence, accuracy])
        gap = abs(accuracy - confidence)
        expected += inside.mean() * gap
        maximum = max(maximum, gap)
    bins = bins if num_bins <= 4 else None  # to keep the file small
    return {"num_bins": num_bins, "bins": bins, "expected": float(expected), "maximum": float(maximum)}


def curves(positive, score):
    fpr, tpr, roc_thresholds = sk.roc_curve(positive, score, drop_intermediate=False)
    precision, recall, thresholds = sk.precision_recall_curve(positive, score)
    points = list(zip(thresholds, precision, recall))
    wanted = [0.0, 0.55, 0.8, 1.0]
    at_precision, at_recall = [], []
    for share in wanted:
        able = [p for p in points if p[1] >= share]
        at_precision.append(max(able, key=lambda p: (p[2], p[0])) if able else None)
        at_recall.append(max((p for p in points if p[2] >= share), key=lambda p: (p[1], -p[0])))
    return {
        "class": 1,
        "roc": [fpr.tolist(), tpr.tolist(), roc_thresholds[1:].tolist()],
        "precision_recall": [precision.tolist(), recall.tolist(), thresholds.tolist()],
        "wanted": wanted,
        "at_precision": [None if p is None else [float(v) for v in p] for p in at_precision],
        "at_recall": [[float(v) for v in p] for p in at_recall],
    }


def expected(name, scale, labels, rows):
    assert (rows.sum(axis=1) == scale).all() and (rows >= 0).all()
    probabilities = rows / scale
    num_classes = rows.shape[1]
    classes = list(range(num_classes))
    predictions = probabilities.argmax(axis=1)
    one_hot = np.eye(num_classes, dtype=int)[labels]
    zero_divisions = {"zero": 0.0, "one": 1.0, "nan": np.nan}
    if "class" not in name or num_classes == 10:  # nothing is undefined
        del zero_divisions["one"], zero_divisions["nan"]
    names = [f"class {c}" if c else "the class of noughts" for c in classes]
    present = sorted(set(labels) | set(predictions))
    case = {
        "name": name,
        "num_classes": num_classes,
        "scale": scale,
        "labels": labels.tolist(),
        "weights": rows.ravel().tolist(),
        "predictions": predictions.tolist(),
        "confusion": sk.confusion_matrix(labels, predictions, labels=classes).ravel().tolist(),
        "accuracy": float(sk.accuracy_score(labels, predictions)),
        "balanced_accuracy": float(sk.balanced_accuracy_score(labels, predictions)),
        "kappa": [
            number(sk.cohen_kappa_score(labels, predictions, labels=classes, weights=weights))
            for weights in [None, "linear", "quadratic"]
        ],
        "matthews": float(sk.matthews_corrcoef(labels, predictions)),
        "scores": {k: scores(labels, predictions, classes, v) for k, v in zero_divisions.items()},
        # scikit-learn takes no matrix of scores for two classes.
        "top_k": [
            float(sk.top_k_accuracy_score(labels, probabilities, k=k, labels=classes))
            for k in range(1, min(num_classes, 5))
            if num_classes > 2
        ],
        "log_loss": float(sk.log_loss(labels, probabilities, labels=classes)),
        "brier": float(sk.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False)),
        "roc_auc": one_vs_rest(sk.roc_auc_score, one_hot, probabilities, True),
        "average_precision": one_vs_rest(sk.average_precision_score, one_hot, probabilities, False),
        "calibration": [calibration(labels, probabilities, bins) for bins in [4, 15]],
        "class_names": names,
        "report": sk.classification_report(
            labels,
            predictions,
            labels=present,
            target_names=[names[c] for c in present],
            digits=3,
            zero_division=0.0,
        ),
    }
    if name in ["ties", "binary", "a class never predicted"]:
        case["curves"] = curves(labels == 1, probabilities[:, 1])
    return case


def check(by_name):
    """The cases are what their names say."""
    never = by_name["a class never predicted"]
    assert 2 not in never["predictions"] and 2 in never["labels"]
    absent = by_name["classes absent in labels"]
    assert not {2, 3} & set(absent["labels"]) and 2 in absent["predictions"]
    assert 3 not in absent["predictions"]
    assert by_name["perfect"]["accuracy"] == 1.0
    rows = np.array(by_name["ties"]["weights"]).reshape(-1, 3)
    assert ((rows == rows.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()
    assert (rows[np.arange(len(rows)), by_name["ties"]["labels"]] == 0).any()
    for name, case in by_name.items():
        assert name == "perfect" or 0.2 < case["accuracy"] < 0.95, (name, case["accuracy"])


def main():
    written = [expected(*case) for case in cases()]
    check({case["name"]: case for case in written})
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in written)
    text = f'{{"versions":{json.dumps(versions)},"cases":[\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
