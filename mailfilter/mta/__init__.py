"""The library inside a mail server: `mailfilter.mta.smtpd` under aiosmtpd, and what hands mail on."""
