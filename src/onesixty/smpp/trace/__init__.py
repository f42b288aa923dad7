"""Seeing what goes over the wire: octets kept, taken apart, masked, put into files of packets.

Pure: of connections and sessions nothing here knows, so that a session may keep its capture.
"""
