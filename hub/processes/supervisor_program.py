"""The program of a supervisor: read the plan from `hub.processes.supervisor.become_supervisor`, and run it.

Its argument is the number of an open file, which contains the import path and then the plan.
"""

from __future__ import annotations

import pickle
import sys


def main(handed: int) -> int:
    with open(handed, "rb") as file:
        sys.path[:] = pickle.load(file)  # noqa: S301 - written by our own process a moment ago
        from hub.processes.supervisor import supervise

        plan = pickle.load(file)  # noqa: S301
    return supervise(plan)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
