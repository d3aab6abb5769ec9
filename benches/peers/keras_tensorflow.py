"""Keras on TensorFlow: `keras_tensorflow.py [xla]`; single kernels through TensorFlow's functions."""

import os
import sys
import time

from protocol import THREADS, Unsupported, repeat, serve, steps_of

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(0)
XLA = sys.argv[1:] == ["xla"]


def keras_cnn():
    layers = keras.layers
    net = keras.Sequential(
        [
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    net.build((None, 28, 28, 1))
    return net, (28, 28, 1)


NETS = {"keras-cnn": keras_cnn}


def train(work):
    net, shape = NETS[work["net"]]()
    count, batch = work["images"], work["batch"]
    images = tf.cast(tf.random.uniform((count, *shape), 0, 256, tf.int32), tf.uint8)
    labels = tf.range(count) % 10
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def start():
        optimizer = keras.optimizers.Adadelta(learning_rate=1.0, rho=0.95, epsilon=1e-7)
        optimizer.build(net.trainable_variables)

        @tf.function(jit_compile=XLA)
        def update(chosen):
            x = tf.cast(tf.gather(images, chosen), tf.float32) / 255
            y = tf.gather(labels, chosen)
            with tf.GradientTape() as tape:
                loss = loss_of(y, net(x, training=True))
            gradients = tape.gradient(loss, net.trainable_variables)
            optimizer.apply(gradients, net.trainable_variables)
            return loss

        batches = iter(())

        def step():
            nonlocal batches
            chosen = next(batches, None)
            if chosen is None:
                order = tf.random.shuffle(tf.range(count))[: count // batch * batch]
                batches = iter(tf.split(order, count // batch))
                chosen = next(batches)
            return float(update(chosen))

        return step

    return steps_of(work, start, warm_up=2)


def evaluate(work):
    net, shape = NETS[work["net"]]()
    images = tf.random.uniform((work["batch"], *shape))
    forward = tf.function(lambda x: net(x, training=False), jit_compile=XLA)

    def step():
        started = time.perf_counter()
        forward(images).numpy()
        return (time.perf_counter() - started,)

    return lambda seconds: repeat(seconds, ["step"], step)


def random(*shape):
    return tf.random.uniform(shape, -1, 1)


def kernel(work):
    """The function and its inputs, images (n, h, w, c); the first is data where no gradient of the
    images is wanted."""
    task = work["task"]
    if task == "conv2d":
        n, c, h, w = work["input"]
        kernel, stride, pad = work["kernel"], work["stride"], work["padding"]
        pads = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
        depthwise = work["groups"] > 1
        x = random(n, h, w, c)
        if depthwise:
            weight = random(kernel, kernel, c, 1)
            convolve = lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, stride, stride, 1], pads)
        else:
            weight = random(kernel, kernel, c, work["output_channels"])
            convolve = lambda x, w: tf.nn.conv2d(x, w, stride, pads)
        if work["bias"]:
            bias = random(work["output_channels"])
            return (lambda x, w, b: tf.nn.bias_add(convolve(x, w), b)), [x, weight, bias]
        return convolve, [x, weight]
    if task == "linear":
        inputs = [random(work["rows"], work["input"]), random(work["input"], work["output"])]
        return (lambda x, w, b: tf.nn.bias_add(x @ w, b)), inputs + [random(work["output"])]
    if task == "gelu":
        return (lambda x: tf.nn.gelu(x)), [random(work["rows"], work["width"])]
    if task == "max_pool2d" and work["padding"] == 0:
        n, c, h, w = work["input"]
        size, stride = work["kernel"], work["stride"]
        return (lambda x: tf.nn.max_pool2d(x, size, stride, "VALID")), [random(n, h, w, c)]
    raise Unsupported(f"no {task} here")


def single(work):
    if XLA:
        raise Unsupported("single kernels are measured without XLA")
    function, inputs = kernel(work)
    wanted = inputs if work.get("input_gradient", True) else inputs[1:]

    @tf.function
    def forward():
        return function(*inputs)

    @tf.function
    def both():
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            output = function(*inputs)
        return output, tape.gradient(output, wanted)

    # Inputs that a function captures are not folded, but its results might be left out: keep them.
    def step():
        started = time.perf_counter()
        forward()
        done = time.perf_counter()
        both()
        return done - started, time.perf_counter() - done

    def measure(seconds):
        times, runs = repeat(seconds, ["forward", "both"], step)
        backward = max(times["both"] - times["forward"], 0.0)
        return {"forward": times["forward"], "backward": backward}, runs

    return measure


def prepare(work):
    if work.get("net", "keras-cnn") not in NETS:
        raise Unsupported("the reference CNN alone")
    task = work["task"]
    if XLA and task in ("first_step", "memory"):
        raise Unsupported("would measure the compiler")
    if task in ("train", "first_step", "memory"):
        return train(work)
    if task == "evaluate":
        return evaluate(work)
    return single(work)


mode = "tf.function with XLA" if XLA else "tf.function"
serve(f"keras {keras.__version__}, tensorflow {tf.__version__}", mode, prepare)
