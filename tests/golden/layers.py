"""Golden values for taper-model's layers, losses and nets, from PyTorch.

    python tests/golden/layers.py

writes `layers.safetensors` beside this file. `crates/model/tests/golden.rs` reads it.

Inputs and weights are not stored: both sides compute them from the element's index with `values`
below (integers below 2^53 and one division, so the two agree to the bit). What is stored is what
PyTorch answers in f64: outputs and the gradients of `sum(output * values(output.shape, 99))`.
"""

import json
import pathlib
import sys

import numpy
import safetensors
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
OUT = {}


def values(shape, seed, scale=1.0, levels=2003):
    """scale * (((i * 7919 + seed * 104729) mod levels) / levels * 2 - 1), i the element's index.

    For `levels` = 2003 that is a permutation of evenly spaced numbers: no two of 2003 neighbours tie.
    """
    n = int(numpy.prod(shape))
    i = numpy.arange(n, dtype=numpy.uint64)
    steps = (i * numpy.uint64(7919) + numpy.uint64(seed * 104729)) % numpy.uint64(levels)
    flat = (steps.astype(numpy.float64) / float(levels) * 2.0 - 1.0) * scale
    return torch.from_numpy(flat.reshape(shape))


def fill(module):
    """Sets every parameter, in sorted order of the names, from seeds 11, 12, …"""
    module = module.double()
    with torch.no_grad():
        for seed, (name, parameter) in enumerate(sorted(module.named_parameters()), start=11):
            parameter.copy_(values(tuple(parameter.shape), seed, scale=0.5))
    return module


def backward(case, output, tensors):
    weights = values(tuple(output.shape), 99)
    gradients = torch.autograd.grad((output * weights).sum(), list(tensors.values()))
    OUT[f"{case}/output"] = output.detach()
    for name, gradient in zip(tensors, gradients):
        OUT[f"{case}/grad/{name}"] = gradient


def layer(case, module, shape, levels=2003, scale=2.0):
    module = fill(module)
    x = values(shape, 1, scale=scale, levels=levels).requires_grad_()
    backward(case, module(x), {"input": x, **dict(module.named_parameters())})


# Convolutions
layer("conv2d", nn.Conv2d(3, 4, 3), (2, 3, 5, 5))
layer("conv2d_stride_padding", nn.Conv2d(3, 2, (3, 2), stride=(2, 1), padding=(1, 2)), (2, 3, 6, 5))
layer("conv2d_dilation", nn.Conv2d(2, 3, 3, padding=1, dilation=2, bias=False), (1, 2, 7, 6))
layer("conv2d_groups", nn.Conv2d(4, 6, 3, padding=1, groups=2), (2, 4, 4, 4))
layer("conv2d_depthwise", nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4), (1, 4, 5, 6))

# Dense
layer("linear", nn.Linear(5, 4), (3, 5))
layer("linear_no_bias", nn.Linear(5, 3, bias=False), (2, 3, 5))

# Pools; `levels` = 3 makes most windows hold their maximum more than once
layer("max_pool2d", nn.MaxPool2d(2), (2, 2, 4, 4))
layer("max_pool2d_ties", nn.MaxPool2d(2), (2, 2, 4, 6), levels=3)
layer("max_pool2d_odd", nn.MaxPool2d(2), (1, 2, 5, 7))
layer("max_pool2d_overlap", nn.MaxPool2d(3, stride=2, padding=1), (2, 2, 7, 6))
layer("max_pool2d_overlap_ties", nn.MaxPool2d(3, stride=1, padding=1), (1, 2, 5, 5), levels=3)
layer("max_pool2d_rectangle", nn.MaxPool2d((3, 2), stride=(1, 2), padding=(1, 0)), (1, 2, 6, 5))
layer("avg_pool2d", nn.AvgPool2d(2), (1, 2, 5, 4))
layer("avg_pool2d_padding", nn.AvgPool2d(3, stride=2, padding=1), (1, 2, 7, 6))
layer("global_avg_pool2d", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 3, 3, 4))

# Activations
layer("relu", nn.ReLU(), (3, 7))
layer("gelu", nn.GELU(), (3, 7), scale=4.0)
layer("gelu_tanh", nn.GELU(approximate="tanh"), (3, 7), scale=4.0)
layer("softmax", nn.Softmax(dim=-1), (3, 7), scale=4.0)

# Norms
layer("layer_norm", nn.LayerNorm(6), (2, 3, 6))


def batch_norm(case, module, shape):
    """One training step, then a second whose gradients are kept, then evaluation."""
    module = fill(module)
    module.train()
    module(values(shape, 2, scale=3.0) + 0.5)
    x = values(shape, 1, scale=2.0).requires_grad_()
    backward(f"{case}_train", module(x), {"input": x, **dict(module.named_parameters())})
    OUT[f"{case}_train/running_mean"] = module.running_mean.clone()
    OUT[f"{case}_train/running_var"] = module.running_var.clone()
    module.eval()
    x = values(shape, 1, scale=2.0).requires_grad_()
    backward(f"{case}_eval", module(x), {"input": x, **dict(module.named_parameters())})


batch_norm("batch_norm2d", nn.BatchNorm2d(3), (3, 3, 2, 2))
batch_norm("batch_norm1d", nn.BatchNorm1d(4, eps=1e-3, momentum=0.3), (5, 4))


class Block(nn.Module):
    """A ResNet basic block with a projection."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(3)
        self.down = nn.Conv2d(2, 3, 1, stride=2)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.down(x))


layer("residual", Block(), (2, 2, 5, 5))


# A transformer's layers, as timm defines them
class Attention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)
        self.heads = heads

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d))


class MlpBlock(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, features)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class PatchEmbed(nn.Module):
    def __init__(self, channels, size, features):
        super().__init__()
        self.proj = nn.Conv2d(channels, features, size, stride=size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class TokenEmbed(nn.Module):
    def __init__(self, tokens, features):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, features))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, features))

    def forward(self, x):
        return torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed


class LayerScale(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(features))

    def forward(self, x):
        return x * self.gamma


class Subsample(nn.Module):
    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))


layer("attention", Attention(6, 2), (2, 3, 6))
layer("mlp_block", MlpBlock(3, 5), (2, 2, 3))
layer("patch_embed", PatchEmbed(2, 2, 3), (2, 2, 5, 4))
layer("token_embed", TokenEmbed(3, 4), (2, 3, 4))
layer("layer_scale", LayerScale(3), (2, 2, 3))
layer("subsample", Subsample(), (2, 2, 3, 6))

# Losses: logits (4, 5)
LABELS = torch.tensor([3, 0, 4, 3])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.25, 1.5], dtype=torch.float64)
SOFT = values((4, 5), 7).abs()
SOFT = SOFT / SOFT.sum(dim=1, keepdim=True)
for target_name, target in (("ids", LABELS), ("soft", SOFT)):
    for smoothing in (0.0, 0.1):
        for weight_name, weight in (("", None), ("_weights", WEIGHTS)):
            logits = values((4, 5), 1, scale=3.0).requires_grad_()
            loss = F.cross_entropy(logits, target, weight=weight, label_smoothing=smoothing)
            case = f"cross_entropy_{target_name}{'_smoothing' if smoothing else ''}{weight_name}"
            (gradient,) = torch.autograd.grad(loss, [logits])
            OUT[f"{case}/output"] = loss.detach()
            OUT[f"{case}/grad/input"] = gradient


class KerasCnn(nn.Module):
    """The Keras MNIST example with the names of PyTorch's, dropout left out."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1)))))
        return self.fc3(x)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 512)
        self.fc2 = nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))


def net(case, module):
    """Logits, loss and, of each parameter's gradient, the norm and the projection on `values`."""
    module = module.double().eval()
    with torch.no_grad():
        for seed, (name, parameter) in enumerate(sorted(module.named_parameters()), start=11):
            # About Glorot's size, so that the logits stay small.
            scale = 0.5 if parameter.dim() == 1 else (3.0 / parameter[0].numel()) ** 0.5
            parameter.copy_(values(tuple(parameter.shape), seed, scale=scale))
    x = (values((3, 1, 28, 28), 1) + 1.0) / 2.0
    logits = module(x)
    loss = F.cross_entropy(logits, torch.tensor([7, 2, 1]))
    loss.backward()
    OUT[f"{case}/output"] = logits.detach()
    OUT[f"{case}/loss"] = loss.detach()
    for name, parameter in module.named_parameters():
        gradient = parameter.grad
        projection = (gradient * values(tuple(gradient.shape), 99)).sum()
        OUT[f"{case}/grad/{name}"] = torch.stack([gradient.norm(), projection])


net("keras-cnn", KerasCnn())
net("lenet5", LeNet5())
net("mlp", Mlp())

metadata = {
    "generator": json.dumps(
        {
            "script": "tests/golden/layers.py",
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "safetensors": safetensors.__version__,
        },
        sort_keys=True,
    )
}
path = pathlib.Path(__file__).with_name("layers.safetensors")
save_file({name: tensor.contiguous() for name, tensor in OUT.items()}, path, metadata=metadata)
print(f"{path.name}: {len(OUT)} tensors, {path.stat().st_size} bytes")
for case in ("keras-cnn", "lenet5", "mlp"):
    print(case, OUT[f"{case}/output"][0].tolist(), float(OUT[f"{case}/loss"]))
