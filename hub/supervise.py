"""The program of a supervisor: read the plan that `hub.supervisor.become_supervisor` hands over, and run it.

Its argument is the number of an open file, which has the folders to import from and then the plan.
"""

from __future__ import annotations

import pickle
import sys


def main(handed: int) -> int:
    with open(handed, "rb") as file:
        sys.path[:] = pickle.load(file)  # noqa: S301 - written by our own process a moment ago
        from hub.supervisor import supervise

        plan = pickle.load(file)  # noqa: S301
    return supervise(plan)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
