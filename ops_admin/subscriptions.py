"""Fact -> handlers, on one page.

Queues: `turns` is what a customer waits for, `crm` what an agent waits for, `default` the rest.
"""

from collections.abc import Mapping

from billing import archive, letters, unusual
from billing import arrears_handlers as arrears
from billing import handlers as billing
from core.conversations import handlers as conversations
from core.conversations import notices
from core.outbox import Handler, Subscriber
from crm_sync import handlers as crm


def _of(handler: Handler, queue: str = "default", after: float = 0.0, *, latest: bool = False) -> Subscriber:
    """A subscriber's name is where its handler stands: it may be owed deliveries, so renaming one needs a migration."""
    return Subscriber(f"{handler.__module__}.{handler.__name__}", handler, queue, after, latest)


_notify_outage = _of(notices.notify_outage)
_notify_planned = _of(notices.notify_planned)
_notify_request = _of(notices.notify_request)
_notify_payment = _of(notices.notify_payment)
_notify_appointment = _of(notices.notify_appointment)
_review_arrears = _of(arrears.review_arrears)
_tell_arrears = _of(arrears.tell_arrears)
_tell_handoff = _of(conversations.tell_handoff, "turns")

SUBSCRIPTIONS: Mapping[str, tuple[Subscriber, ...]] = {
    # a message, from door to CRM
    "message.received": (_of(conversations.answer_message, "turns"),),
    "message.owed": (_of(conversations.deliver_message, "turns"),),
    "conversation.touched": (_of(crm.sync_interaction, "crm", after=2.0, latest=True),),
    "customer.changed": (_of(crm.sync_contact, "crm", latest=True),),
    # a person takes over, and gives back
    "handoff.requested": (_of(crm.open_ticket, "crm"),),
    "handoff.accepted": (_tell_handoff,),
    "handoff.customer_message": (_of(crm.relay_customer_message, "crm"),),
    "handoff.closed": (_of(crm.close_ticket, "crm"), _tell_handoff),
    "crm.staff_event": (_of(crm.relay_staff_event, "crm"),),
    "message.status": (_of(crm.tell_staff_undelivered, "crm"), _of(notices.retell)),
    # news
    "outage.opened": (_notify_outage,),
    "outage.updated": (_notify_outage,),
    "outage.restored": (_notify_outage,),
    "outage.notice_due": (_notify_outage,),
    "outage.planned": (_notify_planned,),
    "outage.planned_cancelled": (_notify_planned,),
    "outage.planned_notice_due": (_notify_planned,),
    "bills.issued": (_of(archive.file_issued), _of(letters.owe_letters)),
    "bill.issued": (_of(notices.notify_bill),),
    "payment.received": (_notify_payment, _review_arrears),
    "payment.failed": (_notify_payment,),
    "payment.refunded": (_notify_payment,),
    "payment.returned": (_notify_payment,),
    "phone_payment.owed": (_of(billing.charge_phone_payment, "turns"),),
    "refund.approved": (_of(billing.send_refund),),
    "method.removed": (_of(billing.forget_method),),
    "debit.announced": (_of(notices.notify_debit),),
    "autopay.paused": (_of(notices.notify_autopay_paused),),
    "appointment.booked": (_notify_appointment,),
    "appointment.moved": (_notify_appointment,),
    "appointment.cancelled": (_notify_appointment,),
    "appointment.reminder": (_notify_appointment,),
    "request.opened": (_notify_request,),
    "request.updated": (_notify_request,),
    "tariff.switched": (_of(notices.notify_switch),),
    "program.enrolled": (_of(notices.notify_enrolment), _review_arrears),
    "arrangement.opened": (_of(notices.notify_arrangement), _review_arrears),
    # arrears
    "arrangement.kept": (_tell_arrears,),
    "arrangement.broken": (_tell_arrears,),
    "arrangement.reinstated": (_tell_arrears, _review_arrears),
    "dispute.opened": (_review_arrears,),
    "dispute.closed": (_of(arrears.tell_dispute),),
    "bill.cancelled": (_review_arrears, _of(arrears.tell_cancelled)),
    "credit_note.issued": (_of(archive.file_note),),
    "bill.corrected": (_tell_arrears,),
    "budget.opened": (_tell_arrears,),
    "budget.changed": (_tell_arrears,),
    "budget.settled": (_tell_arrears,),
    "budget.ended": (_tell_arrears,),
    "late_fee.charged": (_of(arrears.tell_late_fee),),
    "medical.held": (_tell_arrears, _review_arrears),
    "medical.ended": (_tell_arrears,),
    "service.disconnected": (_tell_arrears,),
    "service.reconnected": (_tell_arrears,),
    # reads, or prices of the hour, that changed after they were billed, or that bills waited for
    "reads.corrected": (_of(billing.follow_reads),),
    "prices.corrected": (_of(billing.follow_prices),),
    "prices.arrived": (_of(billing.bill_waiting),),
    "usage.unusual": (_of(unusual.tell_unusual),),
}
