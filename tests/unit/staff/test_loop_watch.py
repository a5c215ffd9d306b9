"""A loop that was not heard of by its time is late, until it is heard of again."""

from __future__ import annotations

from dataclasses import dataclass

from hub.worker.loop_watch import LoopWatch
from hub.worker.loops import choose_pause


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_is_late_only_after_its_time() -> None:
    clock = Seconds()
    watch = LoopWatch(clock)
    watch.expect("remind", 120)
    watch.expect("upkeep", 300)
    clock.now = 120
    assert watch.list_lateness() == {"remind": 0, "upkeep": 0}
    clock.now = 150
    assert watch.list_lateness() == {"remind": 30, "upkeep": 0}
    watch.expect("remind", 120)
    assert watch.list_lateness() == {"remind": 0, "upkeep": 0}


def test_pauses_grow_while_a_loop_fails_at_once_and_not_over_the_life_of_a_worker() -> None:
    pause, pauses = 0.0, list[float]()
    for _ in range(7):
        pause = choose_pause(pause, ran_for=0.1)
        pauses.append(pause)
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]
    assert choose_pause(pause, ran_for=86400.0) == 0.5
