"""Who wants what: policies by direction and recipient, and the lists of senders who are let in or kept out."""
