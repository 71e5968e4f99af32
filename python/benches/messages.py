"""What one message costs, beside a hand-written ``queue.Queue`` loop measured in the same run.

Prints a table, and a line of JSON for each figure.
"""

from __future__ import annotations

import json
import queue
import statistics
import threading
import time
from typing import Callable, Optional

import hersh

MESSAGES = 200_000
PINGS = 5_000
ROUNDS = 7


def no_op(msg: object, ctx: object) -> None:
    pass


class Hand:
    """A loop as one writes it: what the function raises is caught, ``None`` ends it."""

    def __init__(self, function: Callable[[object, object], None]) -> None:
        self.function = function
        self.queue: queue.Queue[Optional[str]] = queue.Queue()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while True:
            message = self.queue.get()
            if message is None:
                return
            try:
                self.function(message, None)
            except Exception as error:
                print(error)


def watcher(function: Callable[[object, object], None]) -> hersh.Watcher:
    config = hersh.WatcherConfig(signal_capacity=MESSAGES + 1, default_timeout=600)
    made = hersh.Watcher(config)
    made.manage(function)
    return made


def execution_hersh() -> float:
    """Messages that wait are served: nanoseconds for each."""
    inside, go_on = threading.Event(), threading.Event()
    held = False

    def function(msg: object, ctx: object) -> None:
        nonlocal held
        if not held:
            held = True
            inside.set()
            go_on.wait()

    made = watcher(function)
    made.start()
    inside.wait()
    for _ in range(MESSAGES):
        made.send_message("x")
    began = time.perf_counter_ns()
    go_on.set()
    made.stop(drain=True, timeout=600)
    return (time.perf_counter_ns() - began) / MESSAGES


def execution_hand() -> float:
    hand = Hand(no_op)
    for _ in range(MESSAGES):
        hand.queue.put("x")
    hand.queue.put(None)
    began = time.perf_counter_ns()
    hand.thread.start()
    hand.thread.join()
    return (time.perf_counter_ns() - began) / MESSAGES


def stream_hersh() -> float:
    """One thread sends while the function runs: nanoseconds from the first to the last."""
    made = watcher(no_op)
    made.start()
    made.wait(60, until="Ready")
    began = time.perf_counter_ns()
    for _ in range(MESSAGES):
        made.send_message("x")
    made.stop(drain=True, timeout=600)
    return (time.perf_counter_ns() - began) / MESSAGES


def stream_hand() -> float:
    hand = Hand(no_op)
    hand.thread.start()
    began = time.perf_counter_ns()
    for _ in range(MESSAGES):
        hand.queue.put("x")
    hand.queue.put(None)
    hand.thread.join()
    return (time.perf_counter_ns() - began) / MESSAGES


def pings(send: Callable[[str], None], served: threading.Semaphore) -> float:
    """The median from sending to having been served, with nothing else to do."""
    took = []
    for _ in range(PINGS):
        began = time.perf_counter_ns()
        send("x")
        served.acquire()
        took.append(time.perf_counter_ns() - began)
    return statistics.median(took)


def round_trip_hersh() -> float:
    served = threading.Semaphore(0)

    def function(msg: object, ctx: object) -> None:
        if msg is not None:
            served.release()

    made = watcher(function)
    with made:
        made.wait(60, until="Ready")
        return pings(made.send_message, served)


def round_trip_hand() -> float:
    served = threading.Semaphore(0)
    hand = Hand(lambda msg, ctx: served.release())
    hand.thread.start()
    took = pings(hand.queue.put, served)
    hand.queue.put(None)
    hand.thread.join()
    return took


ROWS = [
    ("execution per message", execution_hersh, execution_hand, "at most 1,000 ns"),
    ("send and execution, streamed", stream_hersh, stream_hand, "3 times as fast"),
    ("round trip, median", round_trip_hersh, round_trip_hand, ""),
]


def main() -> None:
    print(f"{'Python':<32}{'hersh':>12}{'queue.Queue':>14}{'faster':>8}  bar")
    lines = []
    for name, mine, hand, bar in ROWS:
        # Alternating, so that a busy moment of the machine meets both.
        pairs = [(mine(), hand()) for _ in range(ROUNDS)]
        ns, hand_ns = (statistics.median(column) for column in zip(*pairs))
        print(f"{name:<32}{ns:>9.0f} ns{hand_ns:>11.0f} ns{hand_ns / ns:>8.2f}  {bar}")
        figures = {"bench": f"python: {name}", "unit": "ns", "value": round(ns)}
        reference = {"reference": round(hand_ns), "ratio": round(ns / hand_ns, 3)}
        lines.append(json.dumps(figures | reference))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
