"""What reaches us: callbacks, inbound SMS, chat questions."""
