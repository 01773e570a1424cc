"""An editor hands chapters of a book on to readers; when one of them fails, so does the whole, and says why.

Beside `conclave up`: conclave agent add editor reader guide; python examples/delegating.py
"""

import asyncio

from conclave import Agent, TaskContext, TaskFailed, TaskFailedError, connect

editor = Agent("editor")
reader = Agent("reader", max_tasks=4)


@editor.task("book.count")
async def count_book(chapters: list[str], context: TaskContext) -> dict[str, int]:
    parts = [await context.delegate("chapter.count", {"text": each}, cost=1) for each in chapters]
    counts = await context.gather(*parts)
    return {"words": sum(each["result"] for each in counts), "chapters": len(counts)}


@reader.task("chapter.count", eager=True)  # it may begin twice, so it need not wait for its lease
def count_chapter(text: str, context: TaskContext) -> int:
    if not text:
        raise TaskFailed("a chapter is empty", retryable=False)
    context.spend(1)
    return len(text.split())


async def main():
    async with editor.running(), reader.running(), connect(agent="guide") as guide:
        book = ["Down the Rabbit-Hole", "The Pool of Tears", "Pig and Pepper"]
        whole = await guide.submit("book.count", {"chapters": book}, budget={"tasks": 10, "cost": 5})
        print(await whole.result(timeout_s=30))
        record = await whole.record()
        print(f"{record.used_tasks} parts, {record.used_cost} units")

        torn = await guide.submit("book.count", {"chapters": [*book, ""]}, max_attempts=1)
        try:
            await torn.result(timeout_s=30)
        except TaskFailedError as error:
            print(error.reason.partition("is ")[2])

        long = await guide.submit("book.count", {"chapters": book * 2}, budget={"tasks": 3}, max_attempts=1)
        record = await long.wait(timeout_s=30)
        print(record.state, record.reason.split(" ")[0])


asyncio.run(main())
