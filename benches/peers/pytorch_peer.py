"""PyTorch: `pytorch_peer.py eager|channels-last|compile|compile-channels-last [DEVICE]`.

On a GPU products and convolutions stay in single precision (no TF32), as everywhere here; with the variable
`BENCH_TF32=default` they are as PyTorch sets them, which is TF32 for convolutions."""
import os
import sys
import time

import torch
import torch.nn.functional as F

from protocol import THREADS, Unsupported, repeat, serve, steps_of
from torch_nets import keras_cnn

MODE = sys.argv[1]
COMPILE = MODE.startswith("compile")
# The second call compiles once more, with the optimizer's state there; then it is settled.
WARM_UP = 4 if COMPILE else 0
FORMAT = torch.channels_last if MODE.endswith("channels-last") else torch.contiguous_format
DEVICE = torch.device(sys.argv[2] if len(sys.argv) > 2 else "cpu")
if os.environ.get("BENCH_TF32") != "default":
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
torch.set_num_threads(THREADS)
torch.manual_seed(0)


def synchronize():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def reference(side):
    return keras_cnn().to(DEVICE, memory_format=FORMAT), (1, side, side)


def resnet18(side):
    import torchvision

    net = torchvision.models.resnet18(num_classes=10)
    return net.to(DEVICE, memory_format=FORMAT), (3, side, side)


def of_timm(name):
    def build(side):
        import timm

        size = {"img_size": side} if name.startswith("vit") else {}
        if not timm.is_model(name):
            raise Unsupported("not in timm under this name")
        net = timm.create_model(name, num_classes=10, **size)
        return net.to(DEVICE, memory_format=FORMAT), (3, side, side)

    return build


NETS = {"keras-cnn": reference, "resnet18": resnet18}


def build(work):
    name = work["net"]
    return (NETS.get(name) or of_timm(name))(work["side"])


def train(work):
    net, shape = build(work)
    net.train()
    count, batch = work["images"], work["batch"]
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8)
    labels = torch.arange(count) % 10

    def loss_of(x, y):
        return F.cross_entropy(net(x), y)

    loss_of = torch.compile(loss_of) if COMPILE else loss_of

    def start():
        optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)
        update = torch.compile(optimizer.step) if COMPILE else optimizer.step
        batches = iter(())

        def step():
            nonlocal batches
            chosen = next(batches, None)
            if chosen is None or len(chosen) < batch:
                batches = iter(torch.randperm(count).split(batch))
                chosen = next(batches)
            # To a GPU as bytes, a quarter of the way.
            x = images[chosen].to(DEVICE).to(torch.float32, memory_format=FORMAT).div_(255)
            y = labels[chosen].to(DEVICE)
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(x, y)
            loss.backward()
            update()
            loss = loss.item()
            synchronize()
            return loss

        return step

    return steps_of(work, start, WARM_UP)


def evaluate(work):
    net, shape = build(work)
    net.eval()
    images = torch.rand(work["batch"], *shape).to(DEVICE, memory_format=FORMAT)
    # Freezing lets the compiler lay out the weights once for inference.
    forward = torch.compile(net, options={"freezing": True}) if COMPILE else net
    # The compiler's freezing looks for no_grad.
    mode = torch.no_grad if COMPILE else torch.inference_mode

    def step():
        with mode():
            started = time.perf_counter()
            forward(images)
            synchronize()
            return (time.perf_counter() - started,)

    for _ in range(WARM_UP):
        step()
    return lambda seconds: repeat(seconds, ["step"], step)


def random(*shape):
    return (torch.rand(shape, device=DEVICE) * 2 - 1).requires_grad_()


def image_like(shape, wanted=True):
    x = (torch.rand(shape, device=DEVICE) * 2 - 1).contiguous(memory_format=FORMAT)
    return x.requires_grad_(wanted)


def kernel(work):
    """The function, its inputs, and whether the mode makes a difference to it."""
    task, images = work["task"], work.get("input")
    if task == "conv2d":
        kernel, groups = work["kernel"], work["groups"]
        x = image_like(images, work["input_gradient"])
        weight = image_like((work["output_channels"], images[1] // groups, kernel, kernel))
        bias = random(work["output_channels"]) if work["bias"] else None
        stride, padding = work["stride"], work["padding"]
        return (
            lambda x, w, *b: F.conv2d(x, w, b[0] if b else None, stride, padding, 1, groups),
            [x, weight] + ([bias] if work["bias"] else []),
            {"format"},
        )
    if task == "max_pool2d":
        size = work["kernel"], work["stride"], work["padding"]
        return lambda x: F.max_pool2d(x, *size), [image_like(images)], {"format", "compile"}
    if task == "batch_norm":
        inputs = [image_like(images), random(images[1]), random(images[1])]
        norm = lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True)
        return norm, inputs, {"format", "compile"}
    if task == "layer_norm":
        width = work["width"]
        inputs = [random(work["rows"], width), random(width), random(width)]
        return lambda x, g, b: F.layer_norm(x, (width,), g, b, 1e-6), inputs, {"compile"}
    if task == "linear":
        input, output = work["input"], work["output"]
        return F.linear, [random(work["rows"], input), random(output, input), random(output)], set()
    if task == "gelu":
        return F.gelu, [random(work["rows"], work["width"])], {"compile"}
    if task == "attention":
        shape = work["batch"], work["heads"], work["tokens"], work["width"]
        return F.scaled_dot_product_attention, [random(*shape) for _ in range(3)], set()
    raise Unsupported(f"no {task} here")


def single(work):
    function, inputs, matters = kernel(work)
    if FORMAT == torch.channels_last and "format" not in matters:
        raise Unsupported("the same with either memory format")
    if COMPILE and "compile" not in matters:
        raise Unsupported("compiles to the same library call")
    if COMPILE:
        torch._dynamo.reset()
        function = torch.compile(function)
    wanted = [x for x in inputs if x.requires_grad]
    ones = torch.ones_like(function(*inputs))

    def step():
        started = time.perf_counter()
        output = function(*inputs)
        synchronize()
        done = time.perf_counter()
        torch.autograd.grad(output, wanted, ones)
        synchronize()
        return done - started, time.perf_counter() - done

    for _ in range(WARM_UP):
        step()
    return lambda seconds: repeat(seconds, ["forward", "backward"], step)


def prepare(work):
    task = work["task"]
    if COMPILE and task in ("first_step", "memory"):
        raise Unsupported("would measure the compiler")
    if task in ("train", "first_step", "memory"):
        return train(work)
    if task == "evaluate":
        return evaluate(work)
    return single(work)


settings = f"{MODE}, {torch.backends.cpu.get_cpu_capability()}"
if DEVICE.type == "cuda":
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    settings = f"{MODE}, {torch.cuda.get_device_name()}, TF32 (products, convolutions) {tf32}"
serve(f"torch {torch.__version__}", settings, prepare)
