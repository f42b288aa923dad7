"""The walk of a message: accept, dispatch, settle, receive. Each file is one room of it."""
