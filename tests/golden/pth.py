"""PyTorch checkpoints as torch.save writes them: the folder pth.

Run with: python tests/golden/pth.py
"""

import json
import pathlib

import torch

here = pathlib.Path(__file__).parent / "pth"
here.mkdir(exist_ok=True)


def values(start, *shape):
    count = torch.Size(shape).numel()
    return torch.arange(start, start + count, dtype=torch.float32).reshape(shape) / 8


storage = values(0, 24)
tensors = {
    "conv.weight": values(1, 2, 3, 2, 2),
    "half": values(2, 5).half(),
    "bfloat16": values(3, 5).bfloat16(),
    "double": values(4, 5).double(),
    "view": storage[4:10].reshape(2, 3),
    "transposed": storage.reshape(4, 6).t(),
    "channels_last": values(5, 2, 3, 2, 2).to(memory_format=torch.channels_last),
    "scalar": torch.tensor(0.5),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(values(6, 3)),
}
state = dict(tensors, num_batches_tracked=torch.tensor(7))

net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
with torch.no_grad():
    for i, parameter in enumerate(net.parameters()):
        parameter.copy_(values(i, *parameter.shape))

torch.save(state, here / "plain.pth")
torch.save(net.state_dict(), here / "module.pth")
torch.save({"epoch": 3, "best": 0.5, "state_dict": net.state_dict()}, here / "training.pth")
torch.save({"epoch": 3, "best": 0.5}, here / "no_tensors.pth")
torch.save([1, 2, 3], here / "list.pth")
torch.save(net, here / "whole_module.pth")
torch.save({"weight": torch.tensor([1.0, float("nan")])}, here / "nan.pth")
torch.save(net.state_dict(), here / "old.pth", _use_new_zipfile_serialization=False)
torch.jit.script(net).save(str(here / "script.pth"))

golden = {
    "torch": torch.__version__,
    "plain": {
        name: {"shape": list(t.shape), "values": t.detach().double().flatten().tolist()}
        for name, t in tensors.items()
    },
    "module": {
        name: {"shape": list(t.shape), "values": t.double().flatten().tolist()}
        for name, t in net.state_dict().items()
        if t.is_floating_point()
    },
}
(here / "values.json").write_text(json.dumps(golden) + "\n")
