"""The shell around every handler: polling, decoding, the ledger, transactions, retry, dead letters, offsets.

Nothing outside this package imports FastStream or aiokafka.
"""
