"""Setting a school up by questions: what is asked, what is wrong with an answer, and the school's file made of them.

The terminal (`hub.command_setup`) and the page (`hub.web.setup`) ask the same questions, and both install the file that
`answers.compose_school` makes by what `qianda init --from` does.
"""
