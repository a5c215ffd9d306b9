"""Render the metrics for Prometheus: those of the whole hub (`serve`), and those of one worker (`work`).

Figures from the database would be the same everywhere, so only `serve` reports them. Rules take their `max`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hub.measures import REGISTRY
from hub.model.messaging.provider import LANES, Health
from hub.model.sealing.seal import KeyPlace, SealState
from hub.model.staff.operator_figures import WORKER_SILENCE, QueueLag, compute_lag
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider
from hub.store.operation.operator_figures import COUNTED
from hub.store.transaction import Transaction
from hub.wiring import Hub
from hub.wiring.certificate_ends import list_certificate_ends

HELP = {
    "contracts": "Contracts by state, counted by a worker now and then",
    "signing_tasks": "Signing tasks by state, counted by a worker now and then",
    "staff_tasks": "Open staff tasks by kind, 1000 at most",
    "jobs": "The 1000 oldest queued jobs by kind and status",
    "stuck": "Signed contracts that the hub could not finish yet, by reason, 1000 at most",
}


async def render_hub_metrics(hub: Hub) -> bytes:
    """Return the metrics of the whole hub, including those of this process."""
    async with hub.database.transaction(EVERYTHING) as tx:
        figures = [*await _list_figures(tx), *await _list_queues(hub, tx), *await _list_providers(hub, tx)]
        of_seals = await _list_seal_ends(tx)
    return _render([*figures, *_list_process_metrics(hub, of_seals)])


def render_process_metrics(hub: Hub, more: Iterable[Metric] = ()) -> bytes:
    """Return the metrics of this process only."""
    return _render([*_list_process_metrics(hub), *more])


class _Collected:
    """A collector for metrics that are already built."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _render(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collected(metrics))
    return generate_latest(registry) + generate_latest(REGISTRY)


def gauge(name: str, about: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """Return a gauge with one label, and one value for each value of the label."""
    family = GaugeMetricFamily(f"qianda_{name}", about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


async def _list_figures(tx: Transaction) -> list[Metric]:
    counted = await tx.figures.get_row_counts()
    counts = {name: counted[name].counts if name in counted else {} for name in COUNTED} | dict(
        await tx.figures.count_some()
    )
    counted_at = {name: each.counted_at.timestamp() for name, each in counted.items()}
    workers = await tx.heartbeats.count_workers(tx.now - WORKER_SILENCE)
    paused = await tx.pause.get() is not None
    return [
        *(gauge(name, HELP[name], "state", states) for name, states in counts.items()),
        gauge("rows_counted_timestamp_seconds", "When a worker counted these rows last", "figure", counted_at),
        GaugeMetricFamily("qianda_workers", "Workers that were heard of lately", workers),
        GaugeMetricFamily("qianda_sending_paused", "1 while sending is paused", int(paused)),
    ]


async def _list_queues(hub: Hub, tx: Transaction) -> list[Metric]:
    lags = await tx.figures.list_lags(tx.now, tx.planning_now)
    if not hub.services.messaging.addressees:  # without addresses, alerts are not sent, and stay due
        lags = [each for each in lags if each.queue != "alert"]
    waiting = GaugeMetricFamily(
        "qianda_queue_due", "Entries of a queue that are due, of each kind at most 1000", labels=["queue", "kind"]
    )
    late = GaugeMetricFamily(
        "qianda_queue_lag_seconds", "For how long the oldest entry of a queue has been due", labels=["queue", "kind"]
    )
    for lag in lags:
        waiting.add_metric([lag.queue, lag.kind], lag.waiting)
        late.add_metric([lag.queue, lag.kind], compute_lag(lag, _clock_of(tx, lag)))
    return [waiting, late]


def _clock_of(tx: Transaction, lag: QueueLag) -> datetime:
    return tx.planning_now if lag.queue in ("step", "fallback", "delivery") else tx.now


async def _list_providers(hub: Hub, tx: Transaction) -> list[Metric]:
    providers = list(hub.services.messaging.router.providers)
    names = [each.name for each in providers]
    healths, booked = await tx.providers.get_healths(names), await tx.providers.list_booked(names)
    ahead = GaugeMetricFamily(
        "qianda_provider_booked_seconds",
        "How far ahead the rate limit of a provider is booked, by lane",
        labels=["provider", "lane"],
    )
    for name in names:
        for lane in LANES:
            until = booked.get((name, lane), tx.now)
            ahead.add_metric([name, lane], max(0.0, (until - tx.now).total_seconds()))
    return [
        gauge(
            "provider_circuit_open",
            "1 while the circuit breaker of a provider is open: it takes nothing, or nothing arrives",
            "provider",
            {each.name: int(_is_open(healths.get(each.name))) for each in providers},
        ),
        gauge(
            "provider_pause_seconds",
            "What is left of the pause that a provider asked for",
            "provider",
            {name: (healths[name].usable_from(tx.now) - tx.now).total_seconds() for name in names if name in healths},
        ),
        gauge(
            "provider_health",
            "Present weight of a provider as a share of the configured one: errors lower it",
            "provider",
            {each.name: _health_share(each, healths.get(each.name), tx.now) for each in providers},
        ),
        ahead,
    ]


def _is_open(health: Health | None) -> bool:
    return health is not None and health.broken_at is not None


def _health_share(provider: Provider, health: Health | None, now: datetime) -> float:
    weight = provider.settings.weight
    return health.compute_weight(weight, now) / weight if health else 1.0


async def _list_seal_ends(tx: Transaction) -> dict[str, datetime]:
    """Return when the certificate of each seal in use ends, beside the configured one, and the SM2 side of each."""
    of_sm2, ends = await tx.sm2_seals.list_ends(), dict[str, datetime]()
    for seal in await tx.seals.list_all():
        if seal.state not in (SealState.MADE, SealState.ACTIVE, SealState.SUSPENDED):
            continue
        if seal.ends_at is not None and seal.key_place is KeyPlace.TOKEN:
            ends[f"seal {seal.name}"] = seal.ends_at
        if seal.id in of_sm2:
            ends[f"seal {seal.name} (SM2)"] = of_sm2[seal.id]
    return ends


# ---- those of this process


def _list_process_metrics(hub: Hub, of_seals: Mapping[str, datetime] | None = None) -> list[Metric]:
    """`of_seals`: when the certificates of the other seals end, which the database knows."""
    pool = hub.database.pool
    build = GaugeMetricFamily("qianda_build_info", "Version of this process", labels=["version", "python"])
    build.add_metric([version("qianda"), platform.python_version()], 1)
    found = list_certificate_ends(hub) | dict(of_seals or {})
    ends = {name: moment.timestamp() for name, moment in found.items()}
    return [
        build,
        GaugeMetricFamily("qianda_database_pool_size", "Connections that this process may open", pool.size),
        GaugeMetricFamily("qianda_database_pool_in_use", "Connections in use", pool.in_use),
        GaugeMetricFamily(
            "qianda_database_pool_waiting", "Transactions that wait for a connection now", pool.waits.waiting
        ),
        CounterMetricFamily(
            "qianda_database_pool_waits", "Transactions that have waited for a connection", pool.waits.number
        ),
        CounterMetricFamily(
            "qianda_database_pool_wait_seconds", "How long they have waited together", pool.waits.seconds
        ),
        gauge("certificate_end_timestamp_seconds", "When a certificate ends, with those above it", "certificate", ends),
    ]
