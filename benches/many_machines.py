#!/usr/bin/env python3
"""How one training scales over machines: a model of the time of a step, what it predicts, and a plot.

    python3 benches/many_machines.py docs/images/many-machines.svg

A step of N processes takes

    images / N * compute + parameters * update + 2 log2(N) latency + 2 (1 - 1/N) bytes (1 / bandwidth + 1 / memory)

`compute` is the time of an image's forward and backward pass, which the pieces share; the update is done by every
process; halving and doubling takes log2(N) exchanges each way and sends each number about twice, which are copied and
added at the speed of memory. Waiting for each other, and for images, is not in it. Needs nothing but Python.
"""
import math
import sys

# Name, trainable parameters, images a second in training with two threads (docs/choosing-a-backbone.md).
NETS = [
    ("EfficientNet-Lite0", 4.65e6, 20.1),
    ("ResNet-50", 25.6e6, 3.8),
    ("ViT-small", 22.05e6, 3.4),
]
CORES = 16
# The share of 16 times a core's speed that 16 cores have together.
THREADS = 0.8
# Seconds of the update a parameter; it is limited by memory, so that more threads win little.
UPDATE = 1.5e-9
# Bytes a second at which sums are packed, handed over, added and unpacked: two processes of one thread each that train
# ResNet-18 on one machine, with its memory in common and other work beside, took 40 ms for 45 MB.
MEMORY = 1.1e9
# Name, seconds of latency of an exchange, bytes a second that a message gets.
NETWORKS = [("10 Gbit/s", 30e-6, 0.9 * 10e9 / 8), ("100 Gbit/s", 5e-6, 0.8 * 100e9 / 8)]
NODES = [1, 2, 4, 8, 16, 32, 64]
BATCH = 512


def exchange(processes, parameters, latency, bandwidth):
    """Seconds that a step's sums take."""
    if processes == 1:
        return 0.0
    levels = math.log2(processes)
    sent = 2 * (1 - 1 / processes) * 4 * parameters
    return 2 * levels * latency + sent * (1 / bandwidth + 1 / MEMORY)


def step(processes, images, compute, parameters, latency, bandwidth):
    """Seconds of a step."""
    own = images / processes * compute + parameters * UPDATE
    return own + exchange(processes, parameters, latency, bandwidth)


def predictions():
    """Speed-up by net and network, for each number of nodes."""
    for net, parameters, speed in NETS:
        compute = 2 / speed / (CORES * THREADS)
        for network, latency, bandwidth in NETWORKS:
            one = step(1, BATCH, compute, parameters, latency, bandwidth)
            times = [step(n, BATCH, compute, parameters, latency, bandwidth) for n in NODES]
            yield net, network, one, [one / time for time in times]


def plot(lines):
    """The speed-ups as SVG, both axes by powers of two."""
    width, height, left, top, size = 640, 420, 60, 20, 340
    at = lambda value: math.log2(max(value, 1)) / math.log2(NODES[-1]) * size
    x, y = lambda value: left + at(value), lambda value: top + size - at(value)
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for value in NODES:
        svg.append(f'<path d="M{x(value):.1f} {top}v{size}M{left} {y(value):.1f}h{size}" stroke="#ddd"/>')
        svg.append(f'<text x="{x(value):.1f}" y="{top + size + 18}" text-anchor="middle">{value}</text>')
        svg.append(f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>')
    svg.append(f'<path d="M{x(1)} {y(1)}L{x(64)} {y(64)}" stroke="#999" stroke-dasharray="2 3"/>')
    svg.append(f'<text x="{left + size / 2}" y="{top + size + 40}" text-anchor="middle">nodes of {CORES} cores</text>')
    svg.append(f'<text x="16" y="{top + size / 2}" transform="rotate(-90 16 {top + size / 2})" text-anchor="middle">times as fast as one</text>')
    colours = {net: colour for (net, _, _), colour in zip(NETS, ["#1b7837", "#2166ac", "#b2182b"])}
    for place, (net, network, _, speeds) in enumerate(lines):
        points = " ".join(f"{x(n):.1f},{y(s):.1f}" for n, s in zip(NODES, speeds))
        dash = ' stroke-dasharray="6 4"' if network == NETWORKS[0][0] else ""
        svg.append(f'<polyline points="{points}" fill="none" stroke="{colours[net]}" stroke-width="2"{dash}/>')
        line = top + 20 + 22 * place
        svg.append(f'<path d="M{left + size + 14} {line}h26" stroke="{colours[net]}" stroke-width="2"{dash}/>')
        svg.append(f'<text x="{left + size + 46}" y="{line + 4}">{net}, {network}</text>')
    return "\n".join(svg + ["</svg>", ""])


def main():
    # What two processes of one thread take in place of one, in ms: measured for ResNet-18, on which MEMORY is set, and
    # for keras-cnn, on which it is not.
    for net, parameters, one, measured in [("resnet18", 11.2e6, 667, 383), ("keras-cnn", 1.2e6, 65.6, 38.4)]:
        update = parameters * UPDATE * 1e3
        two = (one - update) / 2 + update + exchange(2, parameters, 1e-6, math.inf) * 1e3
        print(f"{net}: {one} ms with one process, with two {two:.1f} predicted, {measured} measured")
    lines = list(predictions())
    print(f"| net | network | one node | {' | '.join(str(n) for n in NODES[1:])} |")
    print("| --- | --- | --- |" + " --- |" * (len(NODES) - 1))
    for net, network, one, speeds in lines:
        print(f"| {net} | {network} | {one:.2f} s | {' | '.join(f'{s:.1f}' for s in speeds[1:])} |")
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(plot(lines))


main()
