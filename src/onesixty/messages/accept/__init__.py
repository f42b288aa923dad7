"""The way into the platform for outbound messages: decide, store, answer."""

from onesixty.messages.accept.acceptor import GATHER_MOST, INBOX_MOST, Acceptor, Result

__all__ = ["GATHER_MOST", "INBOX_MOST", "Acceptor", "Result"]
