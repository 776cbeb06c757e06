"""Rules in SpamAssassin's language: read, compiled, run."""
