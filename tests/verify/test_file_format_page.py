"""An expert's own program finds in docs/file-format.md the numbers that the verifier looks for."""

from __future__ import annotations

import pytest

from qianda.trust_marks import SEAL_POLICY_OID, TRIAL_POLICY_OID
from qianda.verify.purpose import POSSIBLE_PURPOSES
from tests.checkout import ROOT


@pytest.mark.parametrize("number", sorted({SEAL_POLICY_OID, TRIAL_POLICY_OID, *POSSIBLE_PURPOSES}))
def test_the_page_states_each_number_that_decides_about_a_certificate(number: str) -> None:
    page = (ROOT / "docs/file-format.md").read_text("utf-8")
    assert number in page.partition("\n## 7. ")[2].partition("\n## 8. ")[0]
