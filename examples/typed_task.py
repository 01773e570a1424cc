"""A worker with typed payloads, progress and cancellation, and a client that uses it.

Beside `conclave up`: conclave agent add counter guide; python examples/typed_task.py
"""

import asyncio

from pydantic import BaseModel, Field

from conclave import Agent, TaskContext, TaskFailed, TaskFailedError, UnavailableError, connect

agent = Agent("counter", max_tasks=2)


class Book(BaseModel):
    title: str
    pages: list[str] = Field(min_length=1)
    seconds_per_page: float = Field(default=0, ge=0)


class Count(BaseModel):
    title: str
    words: int


@agent.task("text.count", version="1.2.0", attributes={"languages": 3})
def count(book: Book, context: TaskContext) -> Count:
    """Count the words of a book."""
    words = 0
    for number, page in enumerate(book.pages, start=1):
        if context.cancelled.wait(book.seconds_per_page):  # a sync handler looks for itself
            context.log.info("given up", page=number)
            context.cancelled.raise_if_set()
        if not page:
            raise TaskFailed(f"page {number} is empty", retryable=False)
        words += len(page.split())
        context.progress_soon(number / len(book.pages), f"page {number}")
    return Count(title=book.title, words=words)


async def main():
    async with agent.running(), connect(agent="guide") as guide:
        alice = {"title": "Alice", "pages": ["Down the Rabbit-Hole", "The Pool of Tears"]}
        done = await guide.submit("text.count>=1.1, text.count.languages>=2", alice)
        print(await done.result(timeout_s=30))

        odd = await guide.submit("text.count", {"title": "Odd"})
        try:
            await odd.result(timeout_s=30)
        except TaskFailedError as error:
            print(error.state, error.reason)

        slow = await guide.submit("text.count", {**alice, "seconds_per_page": 3600})
        try:
            await slow.result(timeout_s=1)
        except UnavailableError as error:
            print(str(error).replace(slow.task_id, "slow"))
        record = await slow.cancel("too slow", confirmed=True, timeout_s=30)
        print(record.state, "and its worker has stopped" if record.is_confirmed else "")


asyncio.run(main())
