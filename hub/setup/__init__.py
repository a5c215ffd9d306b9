"""Set up a school by questions: the questions, the faults of the answers, and the school's file made from them.

The terminal (`hub.commands.setup`) and the page (`hub.web.setup`) ask the same questions. Both install the file from
`answers.compose_school` in the same way as `qianda init --from`.
"""
