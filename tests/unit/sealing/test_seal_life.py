"""A seal's life, its application, and the judgement of one use: decisions without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st

from hub.errors import SealApprovalTwice, SealMoveNotAllowed
from hub.model.sealing.seal import SEAL_MOVES, KeyPlace, Seal, SealAct, SealKind, SealState
from hub.model.sealing.seal_grant import (
    CONTRACTS,
    CandidateGrant,
    Grantee,
    GranteeKind,
    SealGrant,
    UseRefusal,
    choose_contract_grant,
    judge_use,
)
from hub.model.sealing.seal_request import SealRequest, SealRequestState
from hub.model.sealing.seal_use import DocumentToSeal, SealAsk, SealRules, SealUse, UseOutcome, begin_uses

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENT = Grantee(GranteeKind.CLIENT, "registry")
SEAL = Seal(
    id=uuid4(),
    name="contracts of Hefei",
    kind=SealKind.CONTRACT,
    campus="hefei",
    registered_name="新航线教育集团",
    registered_code="91340100MA0000000G",
    inscription="合同专用章",
    state=SealState.ACTIVE,
    created_at=NOW,
    changed_at=NOW,
    ends_at=NOW + 365 * DAY,
)
GRANT = SealGrant(uuid4(), SEAL.id, CLIENT, "hefei", (), "staff:a", NOW)
ASK = SealAsk(SEAL.id, frozenset({CLIENT}), "api:registry", "hefei")
REQUEST = SealRequest(uuid4(), SEAL.id, "hefei", "new campus", "staff:a", NOW)


def judged(seal: Seal = SEAL, template: str | None = None, distance: int | None = 0, **changes: object) -> str:
    grant = replace(GRANT, **changes)  # type: ignore[arg-type]
    verdict = judge_use(seal, [CandidateGrant(grant, distance)], template, NOW)
    return verdict.refusal or "allowed"


@pytest.mark.parametrize("state", SealState)
def test_only_an_active_seal_may_be_used(state: SealState) -> None:
    refused = judged(replace(SEAL, state=state))
    assert (refused == "allowed") == (state is SealState.ACTIVE)


def test_every_reason_for_which_a_use_is_refused() -> None:
    assert judged() == "allowed"
    assert judged(replace(SEAL, state=SealState.SUSPENDED)) == UseRefusal.SUSPENDED
    assert judged(replace(SEAL, state=SealState.ARCHIVED)) == UseRefusal.REVOKED
    assert judged(replace(SEAL, state=SealState.MADE)) == UseRefusal.NOT_MADE
    assert judged(replace(SEAL, ends_at=NOW)) == UseRefusal.CERTIFICATE_EXPIRED
    assert judged(distance=None) == UseRefusal.OTHER_CAMPUS
    assert judged(templates=("course-zh",)) == UseRefusal.OTHER_TEMPLATE
    assert judged(template="course-en", templates=("course-zh",)) == UseRefusal.OTHER_TEMPLATE
    assert judged(template="course-zh", templates=("course-zh",)) == "allowed"
    assert judged(expires_at=NOW) == UseRefusal.GRANT_EXPIRED
    assert judged(max_uses=2, used=2) == UseRefusal.EXHAUSTED
    assert judged(revoked_at=NOW) == UseRefusal.NOT_GRANTED
    assert judge_use(SEAL, [], None, NOW).refusal is UseRefusal.NOT_GRANTED


def test_one_good_grant_is_enough_and_the_nearest_is_taken() -> None:
    far = CandidateGrant(replace(GRANT, id=uuid4(), campus="hq"), 1)
    spent = CandidateGrant(replace(GRANT, id=uuid4(), max_uses=1, used=1), 0)
    near = CandidateGrant(GRANT, 0)
    assert judge_use(SEAL, [far, spent, near], None, NOW).grant == GRANT
    assert judge_use(SEAL, [far, spent], None, NOW).grant == far.grant


def test_contracts_wait_for_a_grant_that_is_used_up_and_do_not_take_another_seal() -> None:
    own = replace(GRANT, grantee=CONTRACTS, seal=uuid4(), max_uses=1, used=1)
    whole = CandidateGrant(replace(GRANT, grantee=CONTRACTS, campus="hq"), 1)
    assert choose_contract_grant([whole, CandidateGrant(own, 0)], "course-zh", NOW) == own
    gone = CandidateGrant(replace(own, expires_at=NOW), 0)
    assert choose_contract_grant([whole, gone], "course-zh", NOW) == whole.grant
    assert choose_contract_grant([gone], "course-zh", NOW) is None


@given(st.lists(st.sampled_from(list(SealAct)), max_size=12), st.sampled_from(list(KeyPlace)))
def test_whatever_is_done_a_seal_that_is_over_never_comes_back(acts: list[SealAct], place: KeyPlace) -> None:
    seal = replace(SEAL, state=SealState.APPLIED, key_place=place)
    for act in acts:
        before = seal
        try:
            seal = seal.move(act, NOW)
        except SealMoveNotAllowed:
            assert not before.allows(act)
            continue
        assert before.state in SEAL_MOVES[act][0]
        assert seal.state.is_over or not before.state.is_over
        assert (act in (SealAct.REVOKE, SealAct.ARCHIVE)) <= (place is not KeyPlace.CONFIGURED)


def test_two_people_approve_and_neither_is_the_applicant() -> None:
    with pytest.raises(SealApprovalTwice):
        REQUEST.approve("staff:a", NOW)
    once = REQUEST.approve("staff:b", NOW)
    assert once.state is SealRequestState.OPEN
    with pytest.raises(SealApprovalTwice):
        once.approve("staff:b", NOW)
    twice = once.approve("staff:c", NOW)
    assert twice.state is SealRequestState.APPROVED
    with pytest.raises(SealMoveNotAllowed):
        twice.approve("staff:d", NOW)
    assert twice.reject("staff:d", NOW).state is SealRequestState.REJECTED


def documents(number: int) -> list[DocumentToSeal]:
    return [DocumentToSeal(UUID(int=each), f"{each:064x}", f"file:{each}") for each in range(number)]


@given(
    st.integers(0, 6),
    st.lists(st.tuples(st.sets(st.integers(0, 5)), st.sampled_from(["dies", "seals", "fails"])), max_size=8),
)
def test_no_order_of_tries_uses_a_seal_more_often_than_granted(maximum: int, tries: list[tuple[set[int], str]]) -> None:
    """`used` is what the store would have counted: it is always the number of lines that are open or sealed."""
    grant, known = replace(GRANT, max_uses=maximum), dict[UUID, SealUse]()
    for chosen, end in tries:
        asked = [each for each in documents(6) if each.use.int in chosen]
        mine = {each.use: known[each.use] for each in asked if each.use in known}
        begun = begin_uses(ASK, asked, SealRules(SEAL, (CandidateGrant(grant, 0),)), mine, NOW)
        grant = replace(grant, used=grant.used + begun.counted.get(grant.id, 0))
        for use in begun.uses:
            known[use.id] = use
            if use.may_sign and end == "seals":
                known[use.id] = replace(use, outcome=UseOutcome.SEALED)
            elif use.may_sign and end == "fails":
                known[use.id] = replace(use, outcome=UseOutcome.FAILED)
                grant = replace(grant, used=grant.used - use.count)
        counting = [use for use in known.values() if use.outcome in (UseOutcome.ATTEMPT, UseOutcome.SEALED)]
        assert grant.used == len(counting) <= maximum


def test_an_attempt_of_a_dead_process_is_judged_anew() -> None:
    """It held the last use: it may sign again. If the seal was suspended meanwhile, it may not, and is given back."""
    (one,) = documents(1)
    grant = replace(GRANT, max_uses=1)
    begun = begin_uses(ASK, [one], SealRules(SEAL, (CandidateGrant(grant, 0),)), {}, NOW)
    spent = CandidateGrant(replace(grant, used=1), 0)
    again = begin_uses(ASK, [one], SealRules(SEAL, (spent,)), {one.use: begun.uses[0]}, NOW)
    assert (again.uses[0].may_sign, again.uses[0].tries, again.counted) == (True, 2, {})
    stopped = replace(SEAL, state=SealState.SUSPENDED)
    late = begin_uses(ASK, [one], SealRules(stopped, (spent,)), {one.use: begun.uses[0]}, NOW)
    assert (late.uses[0].reason, late.counted) == (UseRefusal.SUSPENDED, {grant.id: -1})
