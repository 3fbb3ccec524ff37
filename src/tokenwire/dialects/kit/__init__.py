"""What dialects are written with: the one door for their authors.

Import from here; the modules behind it may change. A decoder of one answer begins with `read_frame`
and `OneChoice`, an encoder with `json_frame` and `cannot_say`; the page "Write a dialect" shows
both, and `tokenwire.testing.check_dialect` holds them to the laws. A module is imported when one
of its names is first used, so that reading one dialect does not load the parts of all others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenwire.dialects.kit.batch import Batch as Batch
    from tokenwire.dialects.kit.batch import BatchEncoder as BatchEncoder
    from tokenwire.dialects.kit.batch import error_payload as error_payload
    from tokenwire.dialects.kit.block_calls import BlockCalls as BlockCalls
    from tokenwire.dialects.kit.call_arguments import CallArguments as CallArguments
    from tokenwire.dialects.kit.call_fragments import Fragment as Fragment
    from tokenwire.dialects.kit.cumulative import Cumulative as Cumulative
    from tokenwire.dialects.kit.cumulative import Delta as Delta
    from tokenwire.dialects.kit.encoding import cannot_say as cannot_say
    from tokenwire.dialects.kit.encoding import heartbeat as heartbeat
    from tokenwire.dialects.kit.encoding import json_frame as json_frame
    from tokenwire.dialects.kit.encoding import text_frame as text_frame
    from tokenwire.dialects.kit.encoding import word_for as word_for
    from tokenwire.dialects.kit.envelope import Envelope as Envelope
    from tokenwire.dialects.kit.errors import VendorError as VendorError
    from tokenwire.dialects.kit.errors import find_error as find_error
    from tokenwire.dialects.kit.errors import read_error as read_error
    from tokenwire.dialects.kit.errors import recovery_of as recovery_of
    from tokenwire.dialects.kit.extras import Extras as Extras
    from tokenwire.dialects.kit.fields import Fields as Fields
    from tokenwire.dialects.kit.fields import text_in as text_in
    from tokenwire.dialects.kit.json_balance import JSONBalance as JSONBalance
    from tokenwire.dialects.kit.jsonrpc import find_rpc_error as find_rpc_error
    from tokenwire.dialects.kit.lenient import text_from as text_from
    from tokenwire.dialects.kit.message import arguments_of as arguments_of
    from tokenwire.dialects.kit.message import function_call as function_call
    from tokenwire.dialects.kit.message import own_calls as own_calls
    from tokenwire.dialects.kit.message import text_of as text_of
    from tokenwire.dialects.kit.numbered_calls import NumberedCalls as NumberedCalls
    from tokenwire.dialects.kit.one_choice import OneChoice as OneChoice
    from tokenwire.dialects.kit.one_choice import read_frame as read_frame
    from tokenwire.dialects.kit.payloads import MAX_INDEX as MAX_INDEX
    from tokenwire.dialects.kit.payloads import MalformedError as MalformedError
    from tokenwire.dialects.kit.payloads import is_done_sentinel as is_done_sentinel
    from tokenwire.dialects.kit.payloads import is_heartbeat as is_heartbeat
    from tokenwire.dialects.kit.payloads import is_list as is_list
    from tokenwire.dialects.kit.payloads import is_mapping as is_mapping
    from tokenwire.dialects.kit.payloads import json_or_text as json_or_text
    from tokenwire.dialects.kit.payloads import json_text as json_text
    from tokenwire.dialects.kit.payloads import list_of as list_of
    from tokenwire.dialects.kit.payloads import malformed as malformed
    from tokenwire.dialects.kit.payloads import plain_text as plain_text
    from tokenwire.dialects.kit.payloads import read_json as read_json
    from tokenwire.dialects.kit.payloads import read_payloads as read_payloads
    from tokenwire.dialects.kit.payloads import reason_for as reason_for
    from tokenwire.dialects.kit.pieces import Pieces as Pieces
    from tokenwire.dialects.kit.pieces import Room as Room
    from tokenwire.dialects.kit.said import Said as Said
    from tokenwire.dialects.kit.toolcalls import ToolCallSlots as ToolCallSlots

_NAMES: Final = {
    "batch": ("Batch", "BatchEncoder", "error_payload"),
    "block_calls": ("BlockCalls",),
    "call_arguments": ("CallArguments",),
    "call_fragments": ("Fragment",),
    "cumulative": ("Cumulative", "Delta"),
    "encoding": ("cannot_say", "heartbeat", "json_frame", "text_frame", "word_for"),
    "envelope": ("Envelope",),
    "errors": ("VendorError", "find_error", "read_error", "recovery_of"),
    "extras": ("Extras",),
    "fields": ("Fields", "text_in"),
    "json_balance": ("JSONBalance",),
    "jsonrpc": ("find_rpc_error",),
    "lenient": ("text_from",),
    "numbered_calls": ("NumberedCalls",),
    "message": ("arguments_of", "function_call", "own_calls", "text_of"),
    "one_choice": ("OneChoice", "read_frame"),
    "payloads": (
        *("MAX_INDEX", "MalformedError", "is_done_sentinel", "is_heartbeat", "is_list"),
        *("is_mapping", "json_or_text", "json_text", "list_of", "malformed", "plain_text"),
        *("read_json", "read_payloads", "reason_for"),
    ),
    "pieces": ("Pieces", "Room"),
    "said": ("Said",),
    "toolcalls": ("ToolCallSlots",),
}
_MODULE_OF: Final = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "MAX_INDEX",
    "Batch",
    "BatchEncoder",
    "BlockCalls",
    "CallArguments",
    "Cumulative",
    "Delta",
    "Envelope",
    "Extras",
    "Fields",
    "Fragment",
    "JSONBalance",
    "MalformedError",
    "NumberedCalls",
    "OneChoice",
    "Pieces",
    "Room",
    "Said",
    "ToolCallSlots",
    "VendorError",
    "arguments_of",
    "cannot_say",
    "error_payload",
    "find_error",
    "find_rpc_error",
    "function_call",
    "heartbeat",
    "is_done_sentinel",
    "is_heartbeat",
    "is_list",
    "is_mapping",
    "json_frame",
    "json_or_text",
    "json_text",
    "list_of",
    "malformed",
    "own_calls",
    "plain_text",
    "read_error",
    "read_frame",
    "read_json",
    "read_payloads",
    "reason_for",
    "recovery_of",
    "text_frame",
    "text_from",
    "text_in",
    "text_of",
    "word_for",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
