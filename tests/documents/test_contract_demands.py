"""What a contract template demands of its signers: where keys are, and the school's representative."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.documents.contract.contract_templates import ContractTemplates
from hub.errors import TemplateFailed
from hub.model.contract.signer import Role
from hub.model.signing.signature_request import Custody
from tests.running import demanding_templates

TOKEN_OR_APP = (Custody.USB_TOKEN, Custody.APP_KEYSTORE)
DEMANDS = {
    "": {},
    'custody = ["usb-token", "app-keystore"]': dict.fromkeys(Role, TOKEN_OR_APP),
    'custody = { representative = ["usb-token"] }': {Role.REPRESENTATIVE: (Custody.USB_TOKEN,)},
}
WRONG = [
    'custody = "usb-token"',
    "custody = []",
    'custody = ["usb"]',
    "custody = 3",
    'custody = { teacher = ["usb-token"] }',
    'custody = { guardian = "usb-token" }',
    "custody = { guardian = [] }",
    'representative = "yes"',
]


@pytest.mark.custody
@pytest.mark.parametrize("demands", DEMANDS)
def test_a_list_is_for_everybody_and_a_table_for_roles(tmp_path: Path, demands: str) -> None:
    found = ContractTemplates(demanding_templates(tmp_path / "t", demands))
    plain = ContractTemplates(demanding_templates(tmp_path / "plain", "")).get("course", "zh")
    for language in ("zh", "en"):
        assert found.get("course", language).custody == DEMANDS[demands]
    assert (found.get("course", "zh").sha256 == plain.sha256) is (demands == "")


@pytest.mark.custody
@pytest.mark.parametrize("demands", WRONG)
def test_what_cannot_be_meant_stops_the_start(tmp_path: Path, demands: str) -> None:
    with pytest.raises(TemplateFailed, match="course-"):
        ContractTemplates(demanding_templates(tmp_path / "t", demands))


@pytest.mark.parametrize("demands", ['custody = ["usb-token"]', "representative = true"])
def test_the_languages_of_a_template_demand_the_same(tmp_path: Path, demands: str) -> None:
    folder = demanding_templates(tmp_path / "t", "")
    path = folder / "course-en" / "template.toml"
    path.write_text(f"{demands}\n{path.read_text('utf-8')}", "utf-8")
    with pytest.raises(TemplateFailed, match="differ"):
        ContractTemplates(folder)
