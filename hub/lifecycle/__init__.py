"""The verbs of a contract's life. Read in this order, they are its story:

    issue      a contract is drawn from an enrolment, laid out and issued
    dispatch   its first messages and links go out
    land       somebody opens a link
    identify   a one-time code and an identity check make them a verified signer
    certify    a key that the signer holds, and its certificate
    confirm    a passkey of theirs confirms the very request, if they like
    sign       prepare, signature
    complete   the hub embeds the signature with its timestamp, seals, closes and completes

Beside them: `remind` (until it is completed), `ask` (questions, "not me"), `decline`, `resend` (a new link), `settle`
(staff settle what was asked), `withdraw` (void, expire), `extend`, `reissue`.
`obtain` asks the authority that the rules choose for a certificate. `pair` lets a program on the
signer's own computer sign with their USB token; `app_key` binds the key of an app on their own device, and ends it;
`revoke` asks authorities to revoke what they issued to such a key.
`turns` opens and closes signing tasks for all of them; `custody` says where a template demands the key to be,
`represent` who signs for the school; `refusals` puts down what was refused of keys, signatures and programs.
Who comes without a link goes another way in: `poster` is what staff put up, `admit` proves the phone of somebody who
scanned it, `enrol` makes them a signer of a contract of their own.
`real_name` asks an identity provider whether what is on file is true. `alert` tells staff what cannot wait, `warn` puts
it down when a service is away or wrong; `inform` answers what they ask in a chat.
`pick_up` lets in who types a pickup code; `count_codes` counts codes and wrong answers. `change_phone` takes wishes for
another phone number and their approvals, `move_phone` changes it, `notice_sharing` sees a number that strangers share.
`purge` deletes what was kept long enough.
`gather` brings several contracts of one person into one message. `remind_many` reminds hundreds at once.
`change_policy` says when and how people are reminded, `replan` moves what sleeps. `escalate` gives staff a task with an
owner where reminders achieve nothing.
"""
