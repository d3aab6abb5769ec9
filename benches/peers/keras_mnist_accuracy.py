"""The recipe `keras-mnist` in PyTorch: `keras_mnist_accuracy.py FOLDER SEED...`, a line of JSON for each seed.

FOLDER holds MNIST's four IDX files, packed (.gz) or not. As `crates/runner/recipes/keras-mnist.toml`: Glorot-uniform
weights and zero biases, dropout of 0.25 and 0.5, Adadelta (rate 1, rho 0.95, epsilon 1e-7), batches of 128 drawn anew
each epoch, 12 epochs, pixels divided by 255. The last, smaller batch counts. Measured after the last epoch, on the
10,000 test images. `BENCH_THREADS` sets the number of threads.
"""

import gzip
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from protocol import THREADS
from torch_nets import keras_cnn

EPOCHS, BATCH = 12, 128


def idx(folder, name):
    """An IDX file of bytes."""
    path = pathlib.Path(folder) / name
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())


def new_net():
    net = keras_cnn()
    for layer in net:
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def run(folder, seed):
    torch.manual_seed(seed)
    train = idx(folder, "train-images-idx3-ubyte"), idx(folder, "train-labels-idx1-ubyte").long()
    test = idx(folder, "t10k-images-idx3-ubyte"), idx(folder, "t10k-labels-idx1-ubyte").long()
    net = new_net()
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)
    scaled = lambda images: images.unsqueeze(1).to(torch.float32).div_(255)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        net.train()
        for chosen in torch.randperm(len(train[0])).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(scaled(train[0][chosen])), train[1][chosen]).backward()
            optimizer.step()
    net.eval()
    with torch.inference_mode():
        right = sum(
            (net(scaled(images)).argmax(1) == labels).sum().item()
            for images, labels in zip(test[0].split(1000), test[1].split(1000))
        )
    seconds = time.perf_counter() - started
    return {"seed": seed, "accuracy": right / len(test[1]), "seconds": round(seconds, 1)}


torch.set_num_threads(THREADS)
for seed in sys.argv[2:]:
    print(json.dumps({"torch": torch.__version__, "threads": THREADS, **run(sys.argv[1], int(seed))}), flush=True)
