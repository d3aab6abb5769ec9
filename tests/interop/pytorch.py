"""Checks that PyTorch and this project read each other's weights.

For each net: weights made and saved here give the same logits in PyTorch, loaded strictly; weights made and saved by
PyTorch give the same logits here. The largest difference in a logit may be 1e-4.

    python tests/interop/pytorch.py
"""

import tempfile

import safetensors.torch
import torch
from torch import nn

import common


class KerasCnn(nn.Module):
    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x):
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        x = torch.max_pool2d(x, 2).flatten(1)
        return self.fc2(torch.relu(self.fc1(x)))


class LeNet5(nn.Module):
    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2), 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Mlp(nn.Module):
    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.fc1 = nn.Linear(channels * height * width, 512)
        self.fc2 = nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, classes)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1))))))


NETS = {"keras-cnn": KerasCnn, "lenet5": LeNet5, "mlp": Mlp}
# Channels, height, width, classes: the usual ones, and some whose numbers all differ.
SIZES = [(1, 28, 28, 10), (3, 30, 22, 7)]


def check(program, folder, name, size):
    *image, classes = size
    images = common.images(16, *image, seed=1)
    net = NETS[name](*size).eval()
    path = f"{folder}/model.safetensors"

    def theirs():
        with torch.no_grad():
            return net(torch.from_numpy(images)).numpy()

    what = f"{name} {'x'.join(map(str, image))}, {classes} classes"
    for half in [False, True]:
        options = {"half": True} if half else {}
        ours = common.run(program, name, images, classes, seed=3, save=path, **options)
        net.load_state_dict(safetensors.torch.load_file(path), strict=True)
        if half:
            # What was saved are the rounded weights: those are the ones to compare with.
            ours = common.run(program, name, images, classes, weights=path)
        common.compare(f"{what}: {'half, ' if half else ''}ours in PyTorch", ours["logits"], theirs())

    torch.manual_seed(4)
    net = NETS[name](*size).eval()
    safetensors.torch.save_file(net.state_dict(), path)
    ours = common.run(program, name, images, classes, weights=path)
    common.compare(f"{what}: PyTorch's here", ours["logits"], theirs())


def main():
    print(f"PyTorch {torch.__version__}; the largest difference in a logit")
    program = common.build()
    with tempfile.TemporaryDirectory() as folder:
        for name in NETS:
            for size in SIZES:
                check(program, folder, name, size)


if __name__ == "__main__":
    main()
