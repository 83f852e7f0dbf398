"""What `plan` says of money: the volume from which a machine of one's own beats an API, and a day at the real load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sizewise.prediction.cost import Ownership
    from sizewise.records import Workload


def ownership(device: str, count: int, asked: dict[str, Any]) -> Ownership | None:
    """Return what a machine costs an hour: as the person says, else by the shipped prices; None where nobody knows."""
    from sizewise.machines.prices import hourly_price
    from sizewise.prediction.cost import Ownership

    if asked["usd_per_hour"] is not None:
        own = asked["usd_per_hour"]
        return Ownership(usd_per_hour=own, usd_per_kwh=asked["usd_per_kwh"], detail=f"${own} an hour, as given")
    listed = hourly_price(device)
    if listed is None:
        return None
    return Ownership(
        usd_per_hour=listed[0] * count,
        usd_per_kwh=asked["usd_per_kwh"],
        detail=f"${listed[0]} an hour each, {listed[1]}",
    )


def compare(meeting: list[dict[str, Any]], workload: Workload, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the requests a day above which the cheapest machine of known price beats the API, idle hours included.

    With `requests_per_day` also what such a day costs at the API and on that machine.
    """
    from sizewise.machines.prices import api_price
    from sizewise.prediction.cost import api_cost, break_even_requests_per_day, self_hosting_per_day

    listed = api_price(asked["api"])
    each = api_cost(
        listed.price,
        workload.prompt_tokens,
        workload.output_tokens,
        answers=1,
        cached_share=asked["cached_share"],
        cached_usd_per_mtok=listed.cached_usd_per_mtok,
        batch_discount=asked["batch_discount"],
    ).value
    volume = asked["requests_per_day"]
    found: dict[str, Any] = {
        "api": asked["api"], "api_usd_per_answer": each, "price_date": listed.price.date, "machine": None,
        "api_usd_per_day": None if volume is None else each * volume, "own_usd_per_day": None, "own_machine": None,
    }  # fmt: skip
    for row in meeting:
        owned = ownership(row["device"], row["count"], asked)
        if owned is None or not row["answer_s"]:
            continue
        seconds, idle = row["answer_s"]["value"], _idle_w(row["machine"])
        joules = row["energy_j_per_answer"]["value"] if row["energy_j_per_answer"] else 0.0
        even = break_even_requests_per_day(owned, each, seconds, joules, idle, workload.concurrency)
        if even is not None and even < found.get("requests_per_day", float("inf")):
            found |= {"machine": row["machine"], "requests_per_day": even, "basis": owned.detail}
        if volume is not None and volume * seconds <= 86400 * workload.concurrency:
            day = self_hosting_per_day(owned, volume, seconds, joules, idle, workload.concurrency)
            if found["own_usd_per_day"] is None or day < found["own_usd_per_day"]:
                found |= {"own_usd_per_day": day, "own_machine": row["machine"]}
    return found


def _idle_w(machine_name: str) -> float:
    from sizewise.machines.devices import planned_machine
    from sizewise.prediction.energy import power
    from sizewise.records import Bottleneck

    machine = planned_machine(machine_name)
    drawn = power(machine, machine.devices[1:], Bottleneck.BANDWIDTH)
    return drawn.idle_w if drawn else 0.0


def lines(found: dict[str, Any] | None) -> list[str]:
    """Return the comparison in words."""
    if not found:
        return []
    told = []
    if found["machine"]:
        told.append(
            f"against {found['api']} at ${found['api_usd_per_answer']:.2g} an answer ({found['price_date']}): "
            f"{found['machine']} pays from {found['requests_per_day']:.0f} requests a day on, idle hours included"
        )
    else:
        told.append(f"against {found['api']} no machine of known price pays, however many requests there are")
    if found["api_usd_per_day"] is not None:
        own = f"${found['own_usd_per_day']:.2f} on {found['own_machine']}" if found["own_machine"] else "no one machine"
        told.append(f"a day of this many requests: ${found['api_usd_per_day']:.2f} at the API, {own}, idle hours in it")
    return told
