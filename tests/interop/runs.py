"""Checks that timm, transformers and peft read what a run leaves, and that a run starts from what transformers leaves.

Each case fine-tunes a net for an epoch on a few small images, opens the run's folder in Python, and compares the
probabilities of all classes with those that `taper predict` gives for the same files. The largest difference may be
1e-4.

    python tests/interop/runs.py [CASE...]

Needs numpy, Pillow, safetensors, torch, timm, transformers and peft.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import peft
import safetensors.torch
import timm
import torch
import transformers
from PIL import Image

import common

CLASSES = ["cat", "dog", "owl"]


def build():
    """The command line as a program."""
    subprocess.run(["cargo", "build", "--quiet", "--package", "taper-cli"], cwd=common.ROOT, check=True)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    found = subprocess.run(metadata, cwd=common.ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(json.loads(found.stdout)["target_directory"]) / "debug/taper"


def write_images(folder, sizes, mode):
    """Twelve images of each class: noise around a grey of its own, in turn of each size."""
    sizes = [sizes] if isinstance(sizes, tuple) else sizes
    random = np.random.default_rng(7)
    for index, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            size = sizes[i % len(sizes)]
            shape = size if mode == "L" else (*size, 3)
            pixels = random.integers(0, 120, shape) + 60 * index
            Image.fromarray(pixels.astype(np.uint8), mode).save(folder / name / f"{i:02}.png")
    return folder


def finetune(program, run, weights, data, *flags):
    command = [program, "finetune", "--weights", weights, "--data", data, "--out", run, "--epochs", "1", "--json"]
    shared = ["--batch-size", "9", "--learning-rate", "1e-3", "--quiet", *flags]
    done = subprocess.run([str(word) for word in [*command, *shared]], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def predict(program, run, files):
    command = [str(program), "predict", "--run", str(run), "--top-k", str(len(CLASSES)), "--json", *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = []
    for prediction in json.loads(done.stdout)["predictions"]:
        row = {c["class_name"]: c["probability"] for c in prediction["classes"]}
        rows.append([row[name] for name in CLASSES])
    return np.array(rows)


def prepare(files, config):
    """The images, which have the net's size, as the run's configuration wants them."""
    mean, std = (torch.tensor(config["pretrained_cfg"][key])[:, None, None] for key in ("mean", "std"))
    images = []
    for file in files:
        pixels = torch.from_numpy(np.array(Image.open(file))).float() / 255
        pixels = pixels.permute(2, 0, 1) if pixels.ndim == 3 else pixels[None]
        images.append((pixels - mean) / std)
    return torch.stack(images)


def answers(net, images):
    net.eval()
    with torch.no_grad():
        logits = net(images)
        return torch.softmax(getattr(logits, "logits", logits), dim=1).numpy()


def timm_folder(folder, net, size, crop_pct=1.0):
    """A net of timm with random weights, as timm puts it on the Hub."""
    torch.manual_seed(3)
    options = {"img_size": size} if net.startswith("vit") else {}
    model = timm.create_model(net, num_classes=1000, **options)
    folder.mkdir()
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architecture": net,
        "num_classes": 1000,
        "pretrained_cfg": {
            "input_size": [3, *size],
            "interpolation": "bicubic",
            "crop_pct": crop_pct,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "license": "apache-2.0",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def check(what, program, run, files, net, tolerance=common.TOLERANCE):
    config = json.loads((run / "config.json").read_text())
    assert config["label_names"] == CLASSES, config
    theirs = answers(net, prepare(files, config))
    common.compare(what, predict(program, run, files), theirs, tolerance)


def full(program, folder):
    """All of a ResNet-18 trained: timm and transformers read the run."""
    data = write_images(folder / "data", [(41, 50), (200, 300), (64, 64), (427, 640), (301, 200)], "RGB")
    files = sorted(data.rglob("*.png"))[::2]
    run = folder / "run"
    finetune(program, run, timm_folder(folder / "base", "resnet18", (64, 64), crop_pct=0.95), data)
    net = timm.create_model(f"local-dir:{run}", pretrained=True)
    assert net.pretrained_cfg["license"] == "apache-2.0"
    assert list(net.pretrained_cfg["label_names"]) == CLASSES
    data_config = timm.data.resolve_data_config(model=net)
    assert tuple(data_config["input_size"]) == (3, 64, 64) and data_config["interpolation"] == "bicubic", data_config
    # With timm's own transform, since the images have sizes of their own.
    transform = timm.data.create_transform(**data_config)
    images = torch.stack([transform(Image.open(file).convert("RGB")) for file in files])
    ours = predict(program, run, files)
    common.compare("resnet18, full: the run in timm", ours, answers(net, images))
    wrapped = transformers.AutoModelForImageClassification.from_pretrained(run)
    assert [wrapped.config.id2label[i] for i in range(3)] == CLASSES, wrapped.config
    common.compare("resnet18, full: the run in transformers", ours, answers(wrapped, images))


def grey(program, folder):
    """The last block of a ViT-tiny for grey images of another size: timm reads the run."""
    data = write_images(folder / "data", (32, 48), "L")
    files = sorted(data.rglob("*.png"))[::5]
    run = folder / "run"
    size = ["image.channels=1", "image.height=32", "image.width=48", "image.mean=[0.4]", "image.std=[0.3]"]
    flags = [word for key in size for word in ("--set", key)]
    base = timm_folder(folder / "base", "vit_tiny_patch16_224", (64, 64))
    finetune(program, run, base, data, "--method", "last-1", *flags)
    net = timm.create_model(f"local-dir:{run}", pretrained=True)
    check("vit_tiny, last-1, grey 32x48: the run in timm", program, run, files, net)


def adapter(program, folder, net_name, flags):
    """Adapters: peft reads them, merged or not."""
    data = write_images(folder / "data", (64, 64), "RGB")
    files = sorted(data.rglob("*.png"))[::5]
    base = timm_folder(folder / "base", net_name, (64, 64))
    run = folder / "run"
    flags = ["--method", "lora", "--set", "method.rank=4", *flags]
    result = finetune(program, run, base, data, *flags)
    trained = result["trained"]
    assert trained["trainable"] < 0.02 * trained["parameters"], trained
    assert not (run / "model.safetensors").exists()

    state = safetensors.torch.load_file(base / "model.safetensors")
    options = {"img_size": (64, 64)} if net_name.startswith("vit") else {}
    net = timm.create_model(net_name, num_classes=len(CLASSES), **options)
    head = net.default_cfg["classifier"] + "."
    missing, unexpected = net.load_state_dict({k: v for k, v in state.items() if not k.startswith(head)}, strict=False)
    assert all(name.startswith(head) for name in missing) and not unexpected
    net = peft.PeftModel.from_pretrained(net, run)
    check(f"{net_name}, lora: the adapter in peft", program, run, files, net)

    merged = folder / "merged"
    finetune(program, merged, base, data, *flags, "--merge")
    whole = timm.create_model(f"local-dir:{merged}", pretrained=True)
    check(f"{net_name}, lora: merged, in timm", program, merged, files, whole)
    config = json.loads((merged / "config.json").read_text())
    ours = answers(net.merge_and_unload(), prepare(files, config))
    common.compare(f"{net_name}, lora: merged here and in peft", predict(program, merged, files), ours, 1e-5)


def from_transformers(program, folder):
    """A ViT-small and a ResNet-34 as transformers writes them."""
    data = write_images(folder / "data", (64, 64), "RGB")
    files = sorted(data.rglob("*.png"))[::5]
    torch.manual_seed(5)
    vit = transformers.ViTConfig(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, image_size=64, num_labels=7, layer_norm_eps=1e-6
    )
    resnet = transformers.ResNetConfig(
        depths=[3, 4, 6, 3], hidden_sizes=[64, 128, 256, 512], layer_type="basic", num_labels=7
    )
    for name, model, processor in (
        ("vit_small", transformers.ViTForImageClassification(vit), transformers.ViTImageProcessor),
        ("resnet34", transformers.ResNetForImageClassification(resnet), transformers.ConvNextImageProcessor),
    ):
        base, run = folder / name, folder / f"{name}-run"
        model.save_pretrained(base)
        size = {"height": 64, "width": 64} if name == "vit_small" else {"shortest_edge": 64}
        # Without the crop of ConvNeXt's processor: `prepare` takes the images as they are.
        processor(size=size, crop_pct=1.0).save_pretrained(base)
        result = finetune(program, run, base, data, "--method", "last-1")
        adapted = [entry["note"] for entry in result["load_report"]["initialized"]]
        assert len(adapted) == 2 and all(note.startswith("head replaced") for note in adapted), adapted
        net = timm.create_model(f"local-dir:{run}", pretrained=True)
        check(f"{name} of transformers, last-1: the run in timm", program, run, files, net)


def to_transformers(program, folder):
    """DINOv2, which timm has with another head: transformers reads what the run leaves for it."""
    data = write_images(folder / "data", (42, 42), "RGB")
    files = sorted(data.rglob("*.png"))[::5]
    torch.manual_seed(6)
    config = transformers.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=70, num_labels=7)
    transformers.Dinov2ForImageClassification(config).save_pretrained(folder / "base")
    transformers.ViTImageProcessor(size={"height": 42, "width": 42}).save_pretrained(folder / "base")
    run = folder / "run"
    finetune(program, run, folder / "base", data, "--method", "last-1")
    net = transformers.AutoModelForImageClassification.from_pretrained(run / "transformers")
    assert [net.config.id2label[i] for i in range(3)] == CLASSES, net.config
    processor = transformers.AutoImageProcessor.from_pretrained(run / "transformers")
    images = processor([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    common.compare("dinov2, last-1: the run in transformers", predict(program, run, files), answers(net, images))


def in_timm(program, folder, net, size):
    """Two stages of a net of timm with random weights: timm reads the run."""
    data = write_images(folder / "data", size, "RGB")
    files = sorted(data.rglob("*.png"))[::5]
    run = folder / "run"
    finetune(program, run, timm_folder(folder / "base", net, size), data, "--method", "last-2")
    check(f"{net}, last-2: the run in timm", program, run, files, timm.create_model(f"local-dir:{run}", pretrained=True))


def in_transformers(program, folder):
    """MobileNetV2 as Google published it, which timm has not: transformers reads what the run leaves for it."""
    data = write_images(folder / "data", (64, 64), "RGB")
    files = sorted(data.rglob("*.png"))[::5]
    torch.manual_seed(7)
    base, run = folder / "base", folder / "run"
    transformers.MobileNetV2ForImageClassification(transformers.MobileNetV2Config(num_labels=7)).save_pretrained(base)
    size = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    transformers.MobileNetV2ImageProcessor(**size).save_pretrained(base)
    finetune(program, run, base, data, "--method", "last-2")
    net = transformers.AutoModelForImageClassification.from_pretrained(run / "transformers")
    processor = transformers.AutoImageProcessor.from_pretrained(run / "transformers")
    images = processor([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    common.compare("tf_mobilenetv2_100, last-2: the run in transformers", predict(program, run, files), answers(net, images))


# One of each file of nets; the size in pixels.
IN_TIMM = {
    "tf_efficientnet_lite0": (64, 96),
    "mobilenetv3_small_100": (64, 64),
    "mobilenetv4_conv_small": (64, 64),
    "convnext_atto": (64, 96),
    "convnextv2_atto": (64, 64),
    "regnety_004": (64, 64),
    "hgnetv2_b0": (64, 64),
    "vit_small_patch14_reg4_dinov2": (56, 70),
    "vit_small_patch16_dinov3": (48, 64),
}


def main():
    print(f"timm {timm.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
    print("the largest difference in a probability")
    program = build()
    cases = {
        "full": full,
        "grey": grey,
        "lora-vit": lambda *at: adapter(*at, "vit_tiny_patch16_224", []),
        "lora-resnet": lambda *at: adapter(*at, "resnet18", ["--set", 'method.targets=["layer4.1.conv1"]']),
        "transformers": from_transformers,
        "dinov2": to_transformers,
        "mobilenet_v2": in_transformers,
        **{net: lambda *at, net=net, size=size: in_timm(*at, net, size) for net, size in IN_TIMM.items()},
    }
    for name, case in cases.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            case(program, pathlib.Path(folder))


if __name__ == "__main__":
    main()
