"""The recipe `photos` (or `photos-fast`) in PyTorch: the same weights, preparation, augmentation, schedule.

    python photos.py DATA [--recipe photos] [--seed 0] [--epochs N] [--threads 2]

DATA has the folders train, validation and test, each with a folder per class. timm's tf_efficientnet_lite0 starts
from the weights that come with Taper; tensors lie channels-last, PyTorch's fastest mode on a CPU. Two worker
processes decode. Printed is one JSON object: accuracies, seconds, images per second of training.
"""

import argparse
import json
import math
import pathlib
import time

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

WEIGHTS = pathlib.Path(__file__).parents[2] / "crates/photo-weights/tf_efficientnet_lite0.safetensors"
NORMALIZE = [T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
EVALUATE = T.Compose(
    [T.Resize(224, T.InterpolationMode.BICUBIC), T.CenterCrop(224), *NORMALIZE]
)
TRAIN = T.Compose(
    [
        T.RandomResizedCrop(224, (0.35, 1.0), interpolation=T.InterpolationMode.BICUBIC),
        T.RandomHorizontalFlip(),
        *NORMALIZE,
    ]
)


def model(classes):
    net = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    net.load_state_dict(load_file(WEIGHTS))
    net.float().reset_classifier(classes)
    return net.to(memory_format=torch.channels_last)


def loader(folder, transform, workers, **more):
    return DataLoader(ImageFolder(folder, transform), 32, num_workers=workers, **more)


def accuracy(net, batches):
    net.eval()
    right = total = 0
    with torch.inference_mode():
        for x, y in batches:
            right += (net(x.contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum().item()
            total += len(y)
    return right / total


def fit(parameters, steps, rate, batches, loss_of):
    """AdamW with a warm-up over a tenth of the steps, then a cosine to zero."""
    # Biases, and the scales and shifts of norms, do not decay.
    parameters = list(parameters)
    filters, others = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim < 2]
    groups = [{"params": filters, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, rate)
    warm = max(1, round(0.1 * steps))
    for step, (x, y) in enumerate(batches, 1):
        factor = step / warm if step <= warm else (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        optimizer.zero_grad()
        loss_of(x, y).backward()
        optimizer.step()


def whole_net(net, train, epochs, rate):
    net.train()

    def batches():
        for _ in range(epochs):
            yield from train

    def loss_of(x, y):
        x = x.contiguous(memory_format=torch.channels_last)
        return F.cross_entropy(net(x), y, label_smoothing=0.1)

    fit(net.parameters(), epochs * len(train), rate, batches(), loss_of)


def features(net, batches):
    net.eval()
    with torch.inference_mode():
        pairs = [
            (net.forward_head(net.forward_features(x.contiguous(memory_format=torch.channels_last)), pre_logits=True), y)
            for x, y in batches
        ]
    xs, ys = zip(*pairs)
    return torch.cat(xs), torch.cat(ys)


def head_alone(net, train, epochs, rate):
    xs, ys = features(net, train)
    xs = xs.clone()
    steps = math.ceil(len(xs) / 32)

    def batches():
        for _ in range(epochs):
            for rows in torch.randperm(len(xs)).split(32):
                yield xs[rows], ys[rows]

    head = net.get_classifier()
    fit(head.parameters(), epochs * steps, rate, batches(), lambda x, y: F.cross_entropy(head(x), y))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--recipe", default="photos", choices=["photos", "photos-fast"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    Image.MAX_IMAGE_PIXELS = None
    parts = {part: loader(args.data / part, EVALUATE, 0) for part in ("validation", "test")}
    whole = args.recipe == "photos"
    train = loader(args.data / "train", TRAIN if whole else EVALUATE, 2 if whole else 0, shuffle=whole)
    net = model(len(train.dataset.classes))
    epochs = args.epochs or (5 if whole else 30)
    started = time.perf_counter()
    (whole_net if whole else head_alone)(net, train, epochs, args.rate or (2e-3 if whole else 1e-3))
    seconds = time.perf_counter() - started
    result = {part: accuracy(net, batches) for part, batches in parts.items()}
    result |= {
        "recipe": args.recipe,
        "seed": args.seed,
        "epochs": epochs,
        "training_seconds": seconds,
        "images_per_second": epochs * len(train.dataset) / seconds,
        "all_seconds": time.perf_counter() - started,
        "torch": torch.__version__,
        "timm": timm.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
