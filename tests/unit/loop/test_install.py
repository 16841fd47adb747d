"""How asyncio is given treadle's loops: a factory, or a policy. Where a policy is set, in a process of its own."""

import asyncio
import subprocess
import sys

import pytest

import treadle


def output_of(program: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


async def _type_of_loop() -> type:
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop())


def test_a_new_loop_is_treadles_and_open() -> None:
    loop = treadle.new_event_loop()
    assert type(loop) is treadle.EventLoop
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert (loop.is_running(), loop.is_closed()) == (False, False)
    loop.close()
    assert loop.is_closed()


def test_a_runner_takes_it_as_its_factory() -> None:
    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        assert runner.run(_type_of_loop()) is treadle.EventLoop
        assert runner.get_loop().is_closed() is False
        loop = runner.get_loop()
    assert loop.is_closed()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.run takes a loop factory from CPython 3.12 on")
def test_asyncio_run_takes_it_as_its_factory() -> None:
    assert asyncio.run(_type_of_loop(), loop_factory=treadle.new_event_loop) is treadle.EventLoop


def test_importing_treadle_changes_nothing() -> None:
    assert asyncio.run(_type_of_loop()) is not treadle.EventLoop


def test_install_makes_every_new_loop_treadles() -> None:
    program = """
import asyncio, treadle
treadle.install()
async def main():
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop())
assert asyncio.run(main()) is treadle.EventLoop
loop = asyncio.new_event_loop()
assert type(loop) is treadle.EventLoop
asyncio.set_event_loop(loop)
assert asyncio.get_event_loop() is loop
assert loop.run_until_complete(main()) is treadle.EventLoop
loop.close()
with asyncio.Runner() as runner:
    assert runner.run(main()) is treadle.EventLoop
print("ok")
"""
    assert output_of(program) == "ok"


def test_the_policy_can_be_taken_back() -> None:
    program = """
import asyncio, treadle
treadle.install()
asyncio.set_event_loop_policy(None)
loop = asyncio.new_event_loop()
print(isinstance(loop, treadle.EventLoop))
loop.close()
"""
    assert output_of(program) == "False"


def test_subprocesses_work_under_the_policy() -> None:
    """On 3.11 a policy also has the watcher of child processes."""
    program = """
import asyncio, sys, treadle
treadle.install()
async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('child')", stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    print(output.decode().strip(), child.returncode)
asyncio.run(main())
"""
    assert output_of(program) == "child 0"


def test_a_test_case_of_unittest_under_the_policy() -> None:
    program = """
import asyncio, unittest, treadle
treadle.install()
class Case(unittest.IsolatedAsyncioTestCase):
    async def test_loop(self):
        await asyncio.sleep(0)
        print(type(asyncio.get_running_loop()).__name__)
unittest.TextTestRunner(stream=open("/dev/null", "w")).run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "EventLoop", done.stderr
