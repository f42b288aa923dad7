"""What the guide shows works."""

import re
from pathlib import Path
from typing import Any

from .platform import Platform
from .receiver import Receiver

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "webhooks.md"


async def test_the_python_of_the_guide(platform: Platform, receiver: Receiver) -> None:
    """The guide's receiver takes a real delivery and refuses it once a letter is changed."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    endpoint = await platform.endpoint(receiver.url)
    found: dict[str, Any] = {}
    exec(code, found)
    found["webhook"] = found["Webhook"](endpoint["secret"])
    await platform.event(endpoint["id"])
    await platform.run(platform.deliverer())
    (taken,) = receiver.taken
    assert found["event_of"](taken.body, taken.headers) == taken.event
    assert found["event_of"](taken.body.replace(b"delivered", b"devilered"), taken.headers) is None
