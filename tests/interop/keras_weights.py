"""Checks that weights exported from Keras give Keras's probabilities here.

The Keras MNIST example and its perceptron, on TensorFlow or another backend (KERAS_BACKEND), exported by
`export_keras.py` and loaded with the layout `keras`. The largest difference in a probability may be 1e-4.

    python tests/interop/keras_weights.py
"""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import common
from export_keras import export


def keras_cnn(channels, height, width, classes):
    return [
        keras.Input((height, width, channels)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(classes, activation="softmax"),
    ]


def mlp(channels, height, width, classes):
    return [
        keras.Input((height, width, channels)),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(classes, activation="softmax"),
    ]


NETS = {"keras-cnn": keras_cnn, "mlp": mlp}
# Channels, height, width, classes: the usual ones, and some whose numbers all differ.
SIZES = [(1, 28, 28, 10), (3, 30, 22, 7)]


def main():
    print(f"Keras {keras.__version__} on {keras.backend.backend()}; the largest difference")
    program = common.build()
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(6)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/keras.safetensors"
        for name, build in NETS.items():
            for size in SIZES:
                *image, classes = size
                model = keras.Sequential(build(*size))
                # Fresh biases are zero, and probabilities of fresh weights all alike: neither would tell much.
                for variable in model.trainable_variables:
                    value = keras.ops.convert_to_numpy(variable)
                    noise = rng.normal(0, 0.1, value.shape) if value.ndim == 1 else value * 2
                    variable.assign(noise.astype(np.float32))
                export(model, path)
                images = common.images(16, *image, seed=7)
                theirs = model.predict(images.transpose(0, 2, 3, 1), verbose=0)
                ours = common.run(program, name, images, classes, weights=path, layout="keras")
                what = f"{name} {'x'.join(map(str, image))}, {classes} classes: Keras's here"
                common.compare(what, ours["probabilities"], theirs)


if __name__ == "__main__":
    main()
