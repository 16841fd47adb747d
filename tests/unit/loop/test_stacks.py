"""The stacks of tasks, as text."""

import asyncio
import inspect

import treadle
from treadle.loop import stacks


async def inner(event: asyncio.Event) -> None:
    await event.wait()  # here


async def outer(event: asyncio.Event) -> None:
    await inner(event)


async def generated(event: asyncio.Event):  # type: ignore[no-untyped-def]
    await event.wait()
    yield 1


async def over(event: asyncio.Event) -> None:
    async for _ in generated(event):
        pass


def test_a_task_is_shown_down_to_where_it_waits() -> None:
    async def main() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(outer(event), name="one")
        other = asyncio.create_task(over(event), name="other")
        await asyncio.sleep(0)
        names = [name for _, _, name in stacks.waits_at(task)]
        assert names[:3] == ["outer", "inner", "Event.wait"]
        text = stacks.report(asyncio.get_running_loop(), {task: "GET /"}, None)
        line = inspect.getsourcelines(inner)[1] + 1
        assert "Task 'one', GET /, waits:" in text
        assert f'test_stacks.py", line {line}, in inner' in text
        assert "Task 'other', waits:" in text
        assert "in over" in text
        assert ", runs:" in text  # this one
        event.set()
        await asyncio.gather(task, other)

    treadle.run(main())


def test_a_program_with_more_tasks_than_are_shown(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(stacks, "TASKS_MAX", 2)

    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(outer(event)) for _ in range(4)]
        await asyncio.sleep(0)
        assert "and 3 tasks more" in stacks.report(asyncio.get_running_loop(), {}, None)
        event.set()
        await asyncio.gather(*tasks)

    treadle.run(main())


def test_without_a_loop_there_are_the_threads() -> None:
    assert "Thread 'MainThread' of the loop:" in stacks.report(None, {}, None)
