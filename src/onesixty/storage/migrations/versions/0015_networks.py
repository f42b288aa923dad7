"""Number plan, lookup sources, what is known of numbers."""

from pathlib import Path

from alembic import op

revision = "0015"
# The newest of those before it, whichever of them are here.
down_revision = max(
    file.name[:4] for file in Path(__file__).parent.glob("0*.py") if file.name[:4] < revision
)


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
