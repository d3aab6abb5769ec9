"""Golden values for the optimizers, schedules and clipping, from PyTorch and Keras's formulas.

Writes `optimizers.json` beside this script:

    OMP_NUM_THREADS=2 python tests/golden/optimizers.py

Everything is computed in float64. Each optimizer runs ten steps on two parameters, a weight of
rank 2 and a bias of rank 1, under the gradient `0.3 * parameter + noise[step]`.

Keras's variants are computed here from the formulas that its documentation and papers give, and,
where Keras is installed (KERAS_BACKEND=torch is enough), checked against it.
"""

import json
import os
import pathlib
import warnings

import numpy as np
import torch

STEPS = 10
rng = np.random.default_rng(20240117)
START = {"weight": rng.uniform(0.5, 1.5, (2, 3)) * rng.choice([-1, 1], (2, 3)),
         "bias": rng.uniform(0.5, 1.5, 2)}
NOISE = [{name: np.round(rng.normal(0, 1, value.shape), 3) for name, value in START.items()}
         for _ in range(STEPS)]
START = {name: np.round(value, 3) for name, value in START.items()}
RATES = [0.1, 0.08, 0.12, 0.05, 0.05, 0.02, 0.07, 0.03, 0.01, 0.04]
MOMENTA = [0.95, 0.9, 0.85, 0.85, 0.88, 0.9, 0.91, 0.93, 0.94, 0.95]


def gradient(name, value, step):
    noise = NOISE[step][name]
    return 0.3 * value + (torch.tensor(noise) if torch.is_tensor(value) else noise)


def flat(values):
    """Twelve digits: far beyond what the tests compare, and a smaller file."""
    return [float(f"{x:.12g}") for x in np.asarray(values).ravel()]


# --- PyTorch -------------------------------------------------------------------------------------

def torch_case(name, rule, build, rates=None, momenta=None):
    params = {key: torch.tensor(value, dtype=torch.float64, requires_grad=True)
              for key, value in START.items()}
    optimizer = build(list(params.values()))
    trajectory = []
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        if rates:
            group["lr"] = rates[step]
        if momenta and "betas" in group:
            group["betas"] = (momenta[step], group["betas"][1])
        elif momenta:
            group["momentum"] = momenta[step]
        for key, param in params.items():
            param.grad = gradient(key, param.detach(), step)
        optimizer.step()
        trajectory.append({key: flat(param.detach()) for key, param in params.items()})
    return {"name": name, "rule": rule, "rates": rates or [rule["learning_rate"]] * STEPS,
            "momenta": momenta, "trajectory": trajectory}


def torch_cases():
    optim = torch.optim
    # Our names of PyTorch's arguments.
    names = {"lr": "learning_rate", "eps": "epsilon", "alpha": "rho",
             "lr_decay": "learning_rate_decay", "initial_accumulator_value": "initial_accumulator"}

    def case(rule, build, rates=None, momenta=None, **args):
        ours = {"name": rule}
        for key, value in args.items():
            if key == "betas":
                ours["beta1"], ours["beta2"] = value
            else:
                ours[names.get(key, key)] = value
        text = ", ".join(f"{key}={value}" for key, value in args.items())
        text += ", changing rates" if rates else ""
        text += ", cycled momentum" if momenta else ""
        # Left out of `args`, an argument has the library's default on both sides.
        defaults = build([torch.zeros(1, requires_grad=True)], **args).defaults
        ours["learning_rate"] = defaults["lr"]
        title = f"torch {rule}({text})"
        return torch_case(title, ours, lambda p: build(p, **args), rates, momenta)

    sgd, adam = optim.SGD, optim.Adam
    yield case("sgd", sgd, lr=0.1)
    yield case("sgd", sgd, lr=0.1, weight_decay=0.05)
    yield case("sgd", sgd, lr=0.1, momentum=0.9)
    yield case("sgd", sgd, lr=0.1, momentum=0.9, rates=RATES)
    yield case("sgd", sgd, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05)
    yield case("sgd", sgd, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)
    yield case("sgd", sgd, lr=0.1, momentum=0.95, momenta=MOMENTA, rates=RATES)
    yield case("adadelta", optim.Adadelta)
    yield case("adadelta", optim.Adadelta, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.05)
    yield case("adadelta", optim.Adadelta, rho=0.95, eps=1e-7)
    yield case("adagrad", optim.Adagrad)
    yield case("adagrad", optim.Adagrad, lr=0.1, lr_decay=0.2, initial_accumulator_value=0.5,
               eps=1e-3, weight_decay=0.05)
    yield case("rmsprop", optim.RMSprop)
    yield case("rmsprop", optim.RMSprop, lr=0.02, alpha=0.9, eps=1e-3, weight_decay=0.05)
    yield case("rmsprop", optim.RMSprop, lr=0.02, alpha=0.9, centered=True)
    yield case("rmsprop", optim.RMSprop, lr=0.02, alpha=0.9, momentum=0.8, rates=RATES)
    yield case("rmsprop", optim.RMSprop, lr=0.02, alpha=0.9, momentum=0.8, centered=True)
    yield case("adam", adam)
    yield case("adam", adam, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05)
    yield case("adam", adam, lr=0.1, betas=(0.8, 0.9), amsgrad=True)
    yield case("adam", adam, lr=0.1, momenta=MOMENTA, rates=RATES)
    yield case("adamw", optim.AdamW)
    yield case("adamw", optim.AdamW, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2)
    yield case("adamw", optim.AdamW, lr=0.1, betas=(0.8, 0.9), amsgrad=True, rates=RATES)


# --- Keras ---------------------------------------------------------------------------------------
# One function a rule: (parameter, gradient, state, rate, step from 1) -> new parameter.

def sgd(p, g, s, lr, t, momentum=0.0, nesterov=False):
    if momentum == 0:
        return p - lr * g
    s["m"] = momentum * s.get("m", 0) - lr * g
    return p + momentum * s["m"] - lr * g if nesterov else p + s["m"]


def adadelta(p, g, s, lr, t, rho=0.95, epsilon=1e-7):
    s["g"] = rho * s.get("g", 0) + (1 - rho) * g**2
    delta = -np.sqrt(s.get("d", 0) + epsilon) * g / np.sqrt(s["g"] + epsilon)
    s["d"] = rho * s.get("d", 0) + (1 - rho) * delta**2
    return p + lr * delta


def adagrad(p, g, s, lr, t, initial_accumulator_value=0.1, epsilon=1e-7):
    s["a"] = s.get("a", initial_accumulator_value) + g**2
    return p - lr * g / np.sqrt(s["a"] + epsilon)


def rmsprop(p, g, s, lr, t, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g**2
    v = s["v"]
    if centered:
        s["g"] = rho * s.get("g", 0) + (1 - rho) * g
        v = v - s["g"] ** 2
    step = lr * g / np.sqrt(v + epsilon)
    if momentum > 0:
        s["m"] = step = momentum * s.get("m", 0) + step
    return p - step


def adam(p, g, s, lr, t, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g**2
    v = s["v"]
    if amsgrad:
        s["h"] = v = np.maximum(s.get("h", 0), v)
    return p - lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * s["m"] / (np.sqrt(v) + epsilon)


KERAS = {  # rule: (function, class, learning rate, weight decay, how the form is called here)
    "sgd": (sgd, "SGD", 0.01, 0, {"momentum_form": "update", "decay": "decoupled"}),
    "adadelta": (adadelta, "Adadelta", 0.001, 0,
                 {"rho": 0.95, "epsilon": 1e-7, "decay": "decoupled"}),
    "adagrad": (adagrad, "Adagrad", 0.001, 0,
                {"initial_accumulator": 0.1, "epsilon": 1e-7, "epsilon_place": "inside-root",
                 "decay": "decoupled"}),
    "rmsprop": (rmsprop, "RMSprop", 0.001, 0,
                {"rho": 0.9, "epsilon": 1e-7, "epsilon_place": "inside-root",
                 "momentum_form": "update", "decay": "decoupled"}),
    "adam": (adam, "Adam", 0.001, 0,
             {"epsilon": 1e-7, "epsilon_place": "before-correction", "decay": "decoupled"}),
    "adamw": (adam, "AdamW", 0.001, 0.004,
              {"epsilon": 1e-7, "epsilon_place": "before-correction", "weight_decay": 0.004}),
}


def keras_case(rule, rates=None, **args):
    function, keras_class, default_rate, default_decay, form = KERAS[rule]
    names = {"initial_accumulator_value": "initial_accumulator", "beta_1": "beta1",
             "beta_2": "beta2"}
    learning_rate = args.get("learning_rate", default_rate)
    decay = args.get("weight_decay", default_decay)
    options = {k: v for k, v in args.items() if k not in ("learning_rate", "weight_decay")}
    rates_used = rates or [learning_rate] * STEPS

    values, states, trajectory = dict(START), {name: {} for name in START}, []
    for step, rate in enumerate(rates_used):
        for name, value in values.items():
            decayed = value * (1 - rate * decay)
            update = function(value, gradient(name, value, step), states[name], rate, step + 1,
                              **options)
            values[name] = decayed + (update - value)
        trajectory.append({name: flat(value) for name, value in values.items()})
    check_against_keras(keras_class, args, rates_used, trajectory)

    ours = {"name": rule, **form, "learning_rate": learning_rate}
    ours.update({names.get(k, k): v for k, v in args.items()})
    text = ", ".join(f"{key}={value}" for key, value in args.items())
    text += ", changing rates" if rates else ""
    # The named constructor must equal the defaults of the library, spelt out.
    preset = f"{rule}-keras" if not args else None
    return {"name": f"keras {rule}({text})", "rule": ours, "rates": rates_used, "momenta": None,
            "preset": preset, "trajectory": trajectory}


def keras_cases():
    yield keras_case("sgd")
    yield keras_case("sgd", learning_rate=0.1, momentum=0.9, rates=RATES)
    yield keras_case("sgd", learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.05,
                     rates=RATES)
    yield keras_case("adadelta")
    yield keras_case("adadelta", learning_rate=1.0)
    yield keras_case("adadelta", learning_rate=1.0, rho=0.8, epsilon=1e-4, weight_decay=0.05)
    yield keras_case("adagrad")
    yield keras_case("adagrad", learning_rate=0.1, initial_accumulator_value=0.5, epsilon=1e-2,
                     weight_decay=0.05)
    yield keras_case("rmsprop")
    yield keras_case("rmsprop", learning_rate=0.02, epsilon=1e-2, weight_decay=0.05)
    yield keras_case("rmsprop", learning_rate=0.02, momentum=0.8, rates=RATES)
    yield keras_case("rmsprop", learning_rate=0.02, momentum=0.8, centered=True, epsilon=1e-3)
    yield keras_case("adam")
    yield keras_case("adam", learning_rate=0.1, epsilon=1e-2, rates=RATES)
    yield keras_case("adam", learning_rate=0.1, beta_1=0.8, beta_2=0.9, amsgrad=True,
                     weight_decay=0.05)
    yield keras_case("adamw")
    yield keras_case("adamw", learning_rate=0.1, epsilon=1e-3, weight_decay=0.2, rates=RATES)


try:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    keras.config.set_floatx("float64")
except ImportError:
    keras = None


def check_against_keras(keras_class, args, rates, trajectory):
    if keras is None:
        return
    optimizer = getattr(keras.optimizers, keras_class)(**args)
    variables = {name: keras.Variable(value, dtype="float64") for name, value in START.items()}
    optimizer.build(list(variables.values()))
    for step, rate in enumerate(rates):
        optimizer.learning_rate = rate
        grads = [keras.ops.convert_to_tensor(
                     gradient(name, keras.ops.convert_to_numpy(v), step), dtype="float64")
                 for name, v in variables.items()]
        optimizer.apply(grads)
        for name, variable in variables.items():
            # Keras keeps the learning rate in float32, whatever the floatx.
            np.testing.assert_allclose(trajectory[step][name],
                                       flat(keras.ops.convert_to_numpy(variable)),
                                       rtol=1e-6, atol=1e-8, err_msg=f"{keras_class} {args}")


# --- Schedules -----------------------------------------------------------------------------------

def schedule_cases():
    import torch.optim.lr_scheduler as lrs
    base, total = 0.4, 20

    def case(ours, build, momentum=False):
        param = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([param], lr=base, momentum=0.9)
        scheduler = build(optimizer)
        rates, momenta = [], []
        for step in range(total):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            momenta.append(float(optimizer.param_groups[0]["momentum"]))
            optimizer.step()
            if step + 1 < total:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # SequentialLR uses a deprecated argument
                    scheduler.step()
        return {"schedule": ours, "base": base, "total": total, "rates": rates,
                "momenta": momenta if momentum else None}

    def warm(steps, start, build):
        def both(optimizer):
            first = lrs.LinearLR(optimizer, start_factor=start, total_iters=steps)
            return lrs.SequentialLR(optimizer, [first, build(optimizer)], milestones=[steps])
        return both

    kinds = [
        ({"name": "constant"}, lambda n: lambda o: lrs.ConstantLR(o, factor=1.0)),
        ({"name": "linear", "final_scale": 0.1},
         lambda n: lambda o: lrs.LinearLR(o, 1.0, 0.1, total_iters=n)),
        ({"name": "step", "every": 3, "factor": 0.7}, lambda n: lambda o: lrs.StepLR(o, 3, 0.7)),
        ({"name": "exponential", "factor": 0.9}, lambda n: lambda o: lrs.ExponentialLR(o, 0.9)),
        ({"name": "cosine", "final_scale": 0.05},
         lambda n: lambda o: lrs.CosineAnnealingLR(o, T_max=n, eta_min=0.05 * base)),
    ]
    for kind, build in kinds:
        yield case({"kind": kind}, build(total))
        yield case({"kind": kind, "warmup_steps": 5, "warmup_start": 0.2},
                   warm(5, 0.2, build(total - 5)))
    for rise in (0.0, 0.2, 0.3, 1.0):
        yield case({"kind": {"name": "one-cycle", "rise": rise}},
                   lambda o: lrs.OneCycleLR(o, base, total_steps=total, pct_start=rise,
                                            cycle_momentum=False))
    cycle = {"name": "one-cycle", "rise": 0.35, "start_divisor": 10.0, "final_divisor": 100.0,
             "momentum": {"low": 0.8, "high": 0.9}}
    for anneal, strategy in (("cosine", "cos"), ("linear", "linear")):
        for three in (False, True):
            yield case({"kind": {**cycle, "anneal": anneal, "three_phases": three}},
                       lambda o: lrs.OneCycleLR(
                           o, base, total_steps=total, pct_start=0.35, anneal_strategy=strategy,
                           base_momentum=0.8, max_momentum=0.9, div_factor=10.0,
                           final_div_factor=100.0, three_phase=three), momentum=True)


# --- Clipping ------------------------------------------------------------------------------------

def clip_cases():
    for how, limit in (("norm", 1.5), ("norm", 100.0), ("value", 0.5)):
        params = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
        for name, param in params.items():
            param.grad = torch.tensor(NOISE[0][name])
        norm = None
        if how == "norm":
            norm = float(torch.nn.utils.clip_grad_norm_(params.values(), limit))
        else:
            torch.nn.utils.clip_grad_value_(params.values(), limit)
        yield {"how": how, "limit": limit, "norm": norm,
               "grads": {name: flat(param.grad) for name, param in params.items()}}


fixture = {
    "versions": {"torch": torch.__version__, "numpy": np.__version__,
                 "keras": keras.__version__ if keras else None},
    "start": {name: {"shape": list(value.shape), "values": flat(value)}
              for name, value in START.items()},
    "noise": [{name: flat(value) for name, value in noise.items()} for noise in NOISE],
    "optimizers": [*torch_cases(), *keras_cases()],
    "schedules": list(schedule_cases()),
    "clipping": list(clip_cases()),
}
path = pathlib.Path(__file__).with_name("optimizers.json")
# One case a line: small, and a change shows where it is.
lines = []
for key, value in fixture.items():
    if isinstance(value, list):
        items = ",\n".join(json.dumps(item) for item in value)
        lines.append(f"{json.dumps(key)}: [\n{items}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
print(f"{path.name}: {path.stat().st_size} bytes, {len(fixture['optimizers'])} trajectories, "
      f"Keras {'checked' if keras else 'absent'}")
