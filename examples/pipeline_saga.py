"""A journey is booked in steps; when one fails, what was booked before is undone, last things first.

Beside `conclave up`: conclave agent add agency guide; python examples/pipeline_saga.py
"""

import asyncio

from conclave import Agent, DagFailedError, TaskFailed, connect

agency = Agent("agency", max_tasks=4)
booked = []


@agency.task("book")
def book(what: str, city: str) -> str:
    if city == "Atlantis":
        raise TaskFailed(f"there is no {what} in {city}", retryable=False)
    booked.append(what)
    return f"{what} in {city}"


@agency.task("unbook")
async def unbook(payload: dict, result: dict, compensation: dict) -> None:
    booked.remove(payload["what"])
    print(f"undone: {result['result']} ({compensation['why']})")


def journey(city):
    undo = {"requirement": "unbook", "payload": {"why": "the journey is off"}}

    def step(what, **more):
        return {"requirement": "book", "payload": {"what": what, **more}, "compensation": undo}

    return {
        "flight": step("flight", city="Lisbon"),
        "hotel": {**step("hotel", city="Lisbon"), "after": ["flight"]},
        "boat": {**step("boat", city=city), "after": ["hotel"]},
        "mail": {
            "requirement": "book",
            "payload": {"what": "postcard", "city": "Lisbon"},
            "after": [{"name": "boat", "on_failure": "fail"}],
        },
    }


async def main():
    async with agency.running(), connect(agent="guide") as guide:
        dag = await guide.submit_dag(journey("Lisbon"))
        print(", ".join(each["result"] for each in (await dag.results(timeout_s=30)).values()))

        booked.clear()
        dag = await guide.submit_dag(journey("Atlantis"))
        try:
            await dag.results(timeout_s=30)
        except DagFailedError as error:
            print(f"{error.state}, {len(booked)} booked")
        for each in (await dag.record()).tasks:
            print(f"  {each.name}: {each.state}{', undone' if each.is_compensated else ''}")


asyncio.run(main())
