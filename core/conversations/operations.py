"""Everything that may be done to a conversation, by one name. The work stands in the modules beside this one."""

from core.conversations.delivery import mark_sent as mark_sent
from core.conversations.delivery import mark_unsent as mark_unsent
from core.conversations.delivery import record_delivery_status as record_delivery_status
from core.conversations.handoffs import accept_handoff as accept_handoff
from core.conversations.handoffs import close_handoff as close_handoff
from core.conversations.handoffs import list_overdue as list_overdue
from core.conversations.handoffs import request_handoff as request_handoff
from core.conversations.handoffs import send_staff_message as send_staff_message
from core.conversations.handoffs import staff_opens_at as staff_opens_at
from core.conversations.handoffs import waiting_reply as waiting_reply
from core.conversations.house import house as house
from core.conversations.proof import VerificationBegun as VerificationBegun
from core.conversations.proof import begin_verification as begin_verification
from core.conversations.proof import change_contact as change_contact
from core.conversations.proof import drop_proofs as drop_proofs
from core.conversations.proof import mark_verified as mark_verified
from core.conversations.proof import select_account as select_account
from core.conversations.proof import set_locale as set_locale
from core.conversations.receiving import Inbound as Inbound
from core.conversations.receiving import Received as Received
from core.conversations.receiving import receive_message as receive_message
from core.conversations.receiving import resolve_choice as resolve_choice
from core.conversations.sending import notify_customer as notify_customer
from core.conversations.sending import send_once as send_once
from core.conversations.sending import send_replies as send_replies
