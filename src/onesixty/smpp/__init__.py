"""SMPP 3.4 with the additions of 5.0: PDUs and their codec, sessions, client and server.

`pdus`, `tlvs` and `statuses` are the protocol as data; `codec` and `framing` turn octets into PDUs
and back; `times`, `data_coding`, `receipts` and `message_ids` read what stands inside the fields.
"""
