"""Run the web or a worker in its own process, until it is told to stop or its supervisor is gone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection

import structlog

from hub.errors import QiandaError, TemplateFailed, WrongInstallation
from hub.processes.job import CANNOT_START, STOP_TIMEOUT, NotConfigured, ServiceJob
from hub.processes.streams import protect_log
from hub.settings import Settings, configured_by
from hub.store.server.embedded import EmbeddedPostgres

log = structlog.get_logger()
# Number of new objects after which the youngest are searched for cycles (Python: 700). A request makes thousands of
# objects and hardly any cycles, so searching more often only costs time.
COLLECT_AFTER = 20_000


def run_job(job: ServiceJob, lifeline: Connection) -> None:
    """Run the job in this child process, until it is told to stop or the supervisor is gone."""
    gc.disable()  # what is loaded at the start stays; see freeze_loaded_objects
    protect_log()
    quiet_logs()
    settings: Settings = pickle.loads(job.settings)  # noqa: S301 - pickled by the command that started this process
    database = EmbeddedPostgres.in_data_folder(job.data) if job.data is not None else contextlib.nullcontext()
    try:
        with database, asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(_run(job, settings, lifeline))
    except NotConfigured as error:
        print(f"qianda: {error}", file=sys.stderr)
        sys.exit(CANNOT_START)
    except (QiandaError, OSError) as error:
        log.error("ended", job=job.kind, error=f"{type(error).__name__}: {error}"[:500])
        sys.exit(1)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop. uvloop's takes a tenth off the CPU time of a process."""
    import uvloop

    return uvloop.new_event_loop()


async def _run(job: ServiceJob, settings: Settings, lifeline: Connection) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(lifeline.fileno(), _supervisor_gone, loop, lifeline, stop)
    from hub.wiring import build

    try:
        hub = await build(settings, job.dsn, demo=job.demo)
    except WrongInstallation as error:
        raise NotConfigured(str(error)) from error
    except (ValueError, TemplateFailed, FileNotFoundError) as error:
        raise NotConfigured(f"the configuration is wrong ({configured_by()}): {error}") from error
    freeze_loaded_objects()
    try:
        if job.kind == "web":
            from hub.demo.tls import server_context
            from hub.web.app import run_web

            tls = server_context(job.certificates) if job.certificates else None
            await run_web(hub, host=settings.host, port=settings.port, stop=stop, tls=tls)
        else:
            from hub.worker.worker import Worker

            await Worker(hub).run(stop)
    finally:
        await hub.close()


def freeze_loaded_objects() -> None:
    """Exclude all that is loaded so far from later searches for cycles: modules, templates and connections stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    gc.enable()


def _supervisor_gone(loop: asyncio.AbstractEventLoop, lifeline: Connection, stop: asyncio.Event) -> None:
    """Stop the job, and end the process after at most STOP_TIMEOUT.

    Nothing is ever sent through the pipe, so if it is readable, its other end is closed.
    """
    loop.remove_reader(lifeline.fileno())
    stop.set()
    loop.call_later(STOP_TIMEOUT, os._exit, 1)


def quiet_logs() -> None:
    """Log one line of JSON per event on standard error; libraries log only warnings and errors."""
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,  # binding a logger for each line would cost as much as writing the line
    )
