"""`onesixty smpp`: looking at SMPP from close by: octets, sessions, message centres."""

import typer

from onesixty.cli.smpp import decode, probe, send, trace

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="SMPP from close by: take PDUs apart, watch sessions, try a message centre out.",
)
app.add_typer(decode.app)
app.add_typer(trace.app)
app.add_typer(probe.app)
app.add_typer(send.app)


@app.callback()
def smpp() -> None:
    """SMPP from close by: take PDUs apart, watch sessions, try a message centre out."""
