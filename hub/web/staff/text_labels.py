"""Words for the versions of contract templates and messages."""

TEXT_STATES = {
    "draft": "being written",
    "submitted": "waits for approval",
    "in-force": "in force",
    "superseded": "was in force before",
    "discarded": "discarded",
}
TEXT_NEXT = {
    "draft": "Write, look at the preview, and submit it. Until somebody else has approved it, nothing changes.",
    "submitted": "Somebody who wrote no part of it reads it now, and approves it or sends it back.",
    "in-force": "Everything that is issued or sent now follows this text.",
    "superseded": "This text is kept unchanged, because what was issued with it refers to it.",
    "discarded": "This version was discarded.",
}
TEXT_PARTS = {
    "title": "Title",
    "consent": "What signers agree to before they sign",
    "clauses": "Clauses",
    "subject": "Subject",
    "text": "Text",
}
SAMPLE_STUDENTS = {"minor": "a child, signed by its mother", "adult": "a student of age"}
CLAUSE_MARKS = {
    "# text": "a heading; articles are numbered automatically",
    "+ text": "a numbered paragraph",
    "! text": "the same in bold: what limits the other party's rights must stand out",
    "| a | b": "a row of a table; |= begins its head",
    "text": "a paragraph without a number",
}
TEXT_FIELDS = {
    "source": "copy of",
    "clauses": "clauses",
    "consent": "consent",
    "note": "what changes and why",
    "texts": "texts",
    "zh": "the Chinese text",
    "en": "the English text",
}
DEMANDS = {
    "trial_allowed": "A certificate of a trial authority is enough",
    "custody": "Where the keys of signers must be",
    "representative": "The school's representative signs as well",
    "needs_approval": "Somebody else approves before it is issued",
    "with_ofd": "Issued as OFD as well",
    "copies": "Who gets a copy",
    "requires": "Values that it needs",
    "copied_from": "Copied from the template",
    "words": "Words of the layout",
    "asks": "What the signer fills in or attaches",
}
