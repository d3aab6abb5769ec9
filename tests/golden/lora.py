"""Golden values for taper-model's low-rank adapters, from Python's peft on timm's nets.

    python tests/golden/lora.py

writes `backbones/NAME.lora.json`, which `crates/model/tests/backbones/lora.rs` reads: logits, loss and, of the gradient
of each parameter that is trained, its norm and its dot product with fixed random numbers, in evaluation mode. Weights,
adapters and images are computed by `values` in `backbones.py` from the tensor's name and the element's index.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import timm
import torch

from backbones import CLASSES, HERE, answer, fill, values

RANK, ALPHA = 4, 6


def name_of(name):
    """The name in the adapter's file, which is ours behind its prefix."""
    name = name.removeprefix("base_model.model.")
    return name.replace(".modules_to_save.default", "").replace(".default", "")


def write(name, shape, targets, head, **options):
    images = values("images", shape)
    model = fill(timm.create_model(name, num_classes=CLASSES, **options))
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, modules_to_save=[head])
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(values(name_of(key), parameter.shape))
    result = answer(model, images, False, name_of)
    fixture = {
        "generator": {
            "script": "tests/golden/lora.py",
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "timm": timm.__version__,
            "peft": peft.__version__,
        },
        "input": list(shape),
        "rank": RANK,
        "alpha": ALPHA,
        "targets": targets,
        "eval": result,
    }
    text = json.dumps(fixture, separators=(",", ":")).replace('],"', '],\n"').replace('{"', '{\n"')
    path = HERE / f"{name}.lora.json"
    path.write_text(text + "\n")
    print(path.name, path.stat().st_size, "loss", result["loss"], len(result["gradients"]), "gradients")


if __name__ == "__main__":
    write("vit_tiny_patch16_224", (2, 3, 48, 64), ["qkv", "mlp.fc1"], "head", img_size=(48, 64))
    write("resnet18", (2, 3, 64, 64), ["conv1", "downsample.0"], "fc")
