"""The attacks of `scripts/prove`, one module each."""
