"""What every Python peer does alike: reads works from stdin, one JSON object a line, and answers
each with one on stdout. README.md has the protocol."""

import json
import os
import statistics
import sys
import time

THREADS = int(os.environ.get("BENCH_THREADS", os.cpu_count() or 1))


class Unsupported(Exception):
    """This peer does not do this work; the message says why."""


def serve(version, settings, prepare):
    """`prepare(work)` gives a function that takes seconds and gives (times by name, runs)."""
    # Frameworks print to stdout now and then: answers go to a descriptor of their own.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"version": version, "threads": THREADS, "settings": settings}), file=out)
    name, measure, reason = None, None, None
    for line in sys.stdin:
        request = json.loads(line)
        work = request["work"]
        if work["name"] != name:
            measure = None  # before the next one takes its memory
            name, reason = work["name"], None
            try:
                measure = prepare(work)
            except Unsupported as why:
                reason = str(why)
        answer = {"work": name}
        if reason:
            answer["unsupported"] = reason
        elif not request.get("prepare"):
            answer["values"], answer["iterations"] = measure(request["seconds"])
        print(json.dumps(answer), file=out)


def repeat(seconds, names, step):
    """Runs a step once to warm up, then for so many seconds, three times at least unless one run
    is longer than that already; gives the median of each part."""
    started = time.perf_counter()
    step()
    least = 1 if time.perf_counter() - started > seconds else 3
    runs = []
    started = time.perf_counter()
    while len(runs) < least or time.perf_counter() - started < seconds:
        runs.append(step())
    return dict(zip(names, map(statistics.median, zip(*runs)))), len(runs)


def steps_of(work, step, warm_up=0):
    """A measurement of a training step: so many steps in a fresh process, or for some seconds.
    `step()` makes the optimizer and gives the function that does one step; compilers take
    `warm_up` steps to settle."""
    count = {"first_step": 1, "memory": work.get("steps")}.get(work["task"])
    if count is None:
        one = step()
        for _ in range(warm_up):
            one()

        def timed():
            started = time.perf_counter()
            one()
            return (time.perf_counter() - started,)

        return lambda seconds: repeat(seconds, ["step"], timed)

    def run(_seconds):
        one = step()
        for _ in range(count):
            one()
        return {}, count

    return run
