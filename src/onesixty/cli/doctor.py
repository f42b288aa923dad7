import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo() -> None:
    """x"""
