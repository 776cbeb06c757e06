"""Shipped for users' tests too: fakes of what the library talks to, contracts for what plugs in, hostile mails."""
