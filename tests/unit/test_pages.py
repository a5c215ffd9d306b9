"""What templates do to texts."""

from __future__ import annotations

from hub.web.pages.render import with_code


def test_commands_in_a_text_become_code_and_nothing_else_becomes_html() -> None:
    assert with_code("run `qianda resume` & wait") == "run <code>qianda resume</code> &amp; wait"
    assert with_code("`<b>` ` <i>") == "<code>&lt;b&gt;</code> ` &lt;i&gt;"
