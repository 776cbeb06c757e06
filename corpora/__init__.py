"""Data only: the sample mails that we wrote and the register of public corpora."""
