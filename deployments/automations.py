"""The automations of a farm: what ends runs that fell silent, and what tells other programs about videos."""

from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from sakuga.settings import load_settings

CRASH_SILENT = "sakuga-crash-silent-runs"
NOTIFY = "sakuga-notify"
"""Name of the webhook block, and of the automation that calls it."""

MESSAGE = (
    '{"event": "{{ event.event }}", "video": "{{ event.resource.id }}", "occurred": "{{ event.occurred }}", '
    '"payload": {{ event.payload | tojson }}}'
)


def crash_silent_runs() -> AutomationCore:
    """Marks a run of this farm as crashed when its heartbeats stop: its machine, or its process, is gone.

    Heartbeats come every 30 s. The server judges as soon as it is back from an absence, so the silence
    that it bears has to be longer than the absences that runs wait out.
    """
    silence = timedelta(seconds=load_settings().farm.silence)
    return AutomationCore(
        name=CRASH_SILENT,
        description=f"Crashes a run of Sakuga that has sent no heartbeat for {silence.seconds} s.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": "prefect.tag.sakuga", "prefect.resource.role": "tag"}
            ),
            for_each={"prefect.resource.id"},
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {silence.seconds} s: its worker or its machine is gone.",
            )
        ],
    )


def notify(block: UUID) -> AutomationCore:
    """Calls a webhook for every video that was enhanced or failed."""
    return AutomationCore(
        name=NOTIFY,
        description="Calls the webhook block `sakuga-notify` when a video was enhanced or failed.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={"sakuga.video.enhanced", "sakuga.video.failed"},
            match=ResourceSpecification({"prefect.resource.id": "sakuga.video.*"}),
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block, payload=MESSAGE)],
    )


async def put_automation(client: PrefectClient, wanted: AutomationCore) -> bool:
    """Make an automation, or bring the one of that name up to date; further ones of that name are removed.

    One that an operator has switched off stays off.

    Returns:
        Whether anything was changed.
    """
    found = await client.read_automations_by_name(wanted.name)
    for other in found[1:]:
        await client.delete_automation(other.id)
    if not found:
        await client.create_automation(wanted)
        return True
    if _same(found[0], wanted):
        return len(found) > 1
    # an update drops what the trigger has counted so far, so there is none without need
    await client.update_automation(found[0].id, wanted.model_copy(update={"enabled": found[0].enabled}))
    return True


def _same(there: Automation, wanted: AutomationCore) -> bool:
    keys = {"description", "trigger", "actions"}
    omit = {"trigger": {"id"}}
    return there.model_dump(mode="json", include=keys, exclude=omit) == wanted.model_dump(
        mode="json", include=keys, exclude=omit
    )


async def install_automations(client: PrefectClient) -> list[str]:
    """Make or update the automations; the webhook's only where its block is there.

    Returns:
        Names of those that were made or changed.
    """
    wanted = [crash_silent_runs()]
    try:
        block = await client.read_block_document_by_name(NOTIFY, "webhook", include_secrets=False)
    except ObjectNotFound:
        pass
    else:
        wanted.append(notify(block.id))
    return [core.name for core in wanted if await put_automation(client, core)]


async def notify_by_webhook(client: PrefectClient, address: str) -> None:
    """Save a webhook block for `address` and have it called for every video that was enhanced or failed."""
    headers = {"Content-Type": "application/json"}
    block = Webhook(url=SecretStr(address), headers=headers)
    document = await block.asave(NOTIFY, overwrite=True, client=client)
    await put_automation(client, notify(document))


async def stop_notifying(client: PrefectClient) -> bool:
    """Remove what `notify_by_webhook` has made; False where there was nothing."""
    found = await client.read_automations_by_name(NOTIFY)
    for automation in found:
        await client.delete_automation(automation.id)
    try:
        block = await client.read_block_document_by_name(NOTIFY, "webhook")
    except ObjectNotFound:
        return bool(found)
    await client.delete_block_document(block.id)
    return True
