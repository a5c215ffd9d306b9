"""`qianda pause`, `resume`: keep messages back, and let them go."""

from __future__ import annotations

from hub.command_hub import said_plainly, say, with_hub

# Who did it, in the school's record.
ACTOR = "command-line"


def pause_command() -> None:
    """Pause sending: no invitation, reminder or news goes out until `resume`. Pages and signatures go on."""
    from hub.lifecycle.messaging.pause_sending import pause_sending

    with said_plainly():
        begun = with_hub(lambda hub: pause_sending(hub.services, ACTOR))
        say("Sending is paused. `qianda resume` lets messages go." if begun else "Sending was paused already.")


def resume_command() -> None:
    """Resume sending after `pause` or `restore`: what has become due meanwhile goes out."""
    from hub.lifecycle.messaging.pause_sending import resume_sending

    with said_plainly():
        ended = with_hub(lambda hub: resume_sending(hub.services, ACTOR))
        say("Sending goes on." if ended else "Sending was not paused.")
