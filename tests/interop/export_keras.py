"""Exports the weights of a Keras 3 model as a safetensors file that the layout `keras` reads.

    python tests/interop/export_keras.py model.keras weights.safetensors

or `export(model, path)` from Python. Names and values:

- `<layer>.<variable>`, such as `conv2d.kernel`, `dense.bias`, `batch_normalization.moving_mean`; a layer within
  another model has that model's name before it. Values and the order of dimensions are Keras's own.
- A layer that Keras named itself (`conv2d_7`) is numbered anew within the model, from `conv2d` to `conv2d_1` and on,
  so that the names do not depend on what else the process has built. Names that somebody chose are kept.
- State of random generators is left out.
- The metadata is one key, `taper`, with JSON: `layout` is `keras`, and `flatten` gives, for each dense kernel right
  after a flatten (dropout and activations may stand between), the channels, height and width that were flattened.
"""

import json
import re
import sys

import keras
import numpy as np
from safetensors.numpy import save_file


def snake_case(name):
    """The stem of the names that Keras gives: `BatchNormalization` to `batch_normalization`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def leaves(model, prefix=""):
    """All layers with weights of their own, as (name, layer), in the model's order."""
    counts = {}
    for layer in model.layers:
        stem = snake_case(type(layer).__name__)
        name = layer.name
        if re.fullmatch(rf"{stem}(_\d+)?", name):
            count = counts.setdefault(stem, 0)
            counts[stem] += 1
            name = f"{stem}_{count}" if count else stem
        if isinstance(layer, keras.Model):
            yield from leaves(layer, f"{prefix}{name}.")
        else:
            yield prefix + name, layer


PASS_THROUGH = (keras.layers.Dropout, keras.layers.Activation, keras.layers.ReLU)


def flattened(layer):
    """The shape (h, w, c) that a flatten before this layer took apart, or None."""
    try:
        source = layer.input
    except (AttributeError, ValueError):
        return None
    while True:
        before = source._keras_history.operation
        if isinstance(before, keras.layers.Flatten):
            if before.data_format != "channels_last":
                raise ValueError(f"{before.name}: only channels_last is known")
            shape = before.input.shape[1:]
            return tuple(shape) if len(shape) == 3 else None
        if not isinstance(before, PASS_THROUGH):
            return None
        source = before.input


def export(model, path):
    tensors, flatten = {}, {}
    for name, layer in leaves(model):
        for variable in layer.variables:
            last = variable.path.split("/")[-1]
            if last == "seed_generator_state":
                continue
            key = f"{name}.{last}"
            if key in tensors:
                raise ValueError(f"{key}: two weights of this name")
            tensors[key] = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        shape = flattened(layer) if isinstance(layer, keras.layers.Dense) else None
        if shape:
            height, width, channels = shape
            flatten[f"{name}.kernel"] = {"channels": channels, "height": height, "width": width}
    taper = {"flatten": flatten, "keras": keras.__version__, "layout": "keras"}
    save_file(tensors, path, metadata={"taper": json.dumps(taper, sort_keys=True)})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    export(keras.saving.load_model(sys.argv[1], compile=False), sys.argv[2])
