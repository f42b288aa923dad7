"""What accepting costs, from a request to its committed row: `python benchmarks/accept.py`."""

import asyncio

import _room

TASKS = (1, 64, 1000)  # callers at once, each waiting for its answer before it asks again


async def work(room: _room.Room, count: int) -> None:
    """Single requests by some callers, then batches; handed to the carrier, then queued."""
    room.acceptor.gatherer.start()
    for tasks in TASKS:
        each = max(1, min(count, 1000 * tasks) // tasks)  # one caller alone waits for every commit
        asking = singles(room, tasks, each)
        await room.measure(f"one by one, {tasks:,} at a time", each * tasks, asking)
    await room.measure("batches of 1,000", count, room.fill(count))
    room.carrier.up = False
    await room.measure("batches of 1,000 while the carrier is down", count, room.fill(count))
    await room.acceptor.gatherer.stop()


async def singles(room: _room.Room, tasks: int, each: int) -> None:
    """That many callers, each with that many requests one after the other."""

    async def ask(first: int) -> None:
        for number in range(first, first + each):
            await room.acceptor.accept(_room.request(number), room.caller)

    await asyncio.gather(*(ask(task * each) for task in range(tasks)))


if __name__ == "__main__":
    _room.run(work, __doc__)
