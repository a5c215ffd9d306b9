"""From a verified person to an accepted signature: keys, certificates, passkeys, the USB program, signatures."""
