"""The JSON API over mails: ours, and the part of Mailpit's that tests rely on.

Source: Mailpit's API v1 (messages, message, search, headers), read in its 1.2x documentation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from local.console.api.params import Params, row_id
from local.store.queries import mails

if TYPE_CHECKING:
    from local.store.store import Store

_FIELDS = ("to", "subject", "text", "message_id", "trace_id", "order_id")
# Mailpit's search prefix: field.
_SEARCH_WORDS = {"to": "to", "subject": "subject", "message-id": "message_id"}


def mail_blueprint(store: Store) -> Blueprint:
    """Return the routes under /api/mails."""
    api = Blueprint("mails", __name__, url_prefix="/api/mails")

    @api.get("")
    def find() -> Response:
        params = Params(request.args, (*_FIELDS, "start", "limit"))
        search = mails.MailSearch(
            **{name: params.text(name) for name in _FIELDS},
            start=params.number("start", 0, 0, 10**9),
            limit=params.number("limit", 100, 1, 1000),
        )
        found, total = mails.search_mails(store.reader(), search)
        return jsonify(mails=found, total=total)

    @api.get("/<mail_id>")
    def one(mail_id: str) -> Response | tuple[Response, int]:
        mail = mails.read_mail(store.reader(), row_id("mail", mail_id))
        return jsonify(mail) if mail else (jsonify(error=f"no mail {mail_id[:20]}"), 404)

    @api.delete("")
    def delete() -> Response:
        store.delete_mails()
        return jsonify(deleted=True)

    return api


def mailpit_blueprint(store: Store) -> Blueprint:
    """Return the routes under /api/v1 that answer as Mailpit does."""
    api = Blueprint("mailpit", __name__, url_prefix="/api/v1")

    @api.get("/messages")
    def messages() -> Response:
        start, limit = _page(Params(request.args))
        return jsonify(_listing(store, mails.MailSearch(start=start, limit=limit)))

    @api.get("/search")
    def search() -> Response:
        return jsonify(_listing(store, _search(Params(request.args))))

    @api.get("/message/<mail_id>")
    def message(mail_id: str) -> Response | tuple[Response, int]:
        mail = mails.read_mail(store.reader(), row_id("mail", mail_id))
        if not mail:
            return jsonify(Error="message not found"), 404
        date = mail["headers"].get("Date", "")
        return jsonify(_summary(mail) | {"Text": mail["text"], "HTML": "", "Date": date})

    @api.get("/message/<mail_id>/headers")
    def headers(mail_id: str) -> Response | tuple[Response, int]:
        mail = mails.read_mail(store.reader(), row_id("mail", mail_id))
        if not mail:
            return jsonify(Error="message not found"), 404
        return jsonify({name: [value] for name, value in mail["headers"].items()})

    @api.delete("/messages")
    def delete() -> Response:
        store.delete_mails()
        return Response("ok", mimetype="text/plain")

    return api


def _page(params: Params) -> tuple[int, int]:
    start = params.number("start", 0, 0, 10**9)
    return start, min(params.number("limit", 50, 0, 10**9), 1000) or 50


def _search(params: Params) -> mails.MailSearch:
    query = params.text("query")
    start, limit = _page(params)
    found: dict[str, str] = {}
    words = []
    for part in query.split():
        name, colon, value = part.partition(":")
        if colon and name in _SEARCH_WORDS:
            found[_SEARCH_WORDS[name]] = value.strip('"<>')
        else:
            words.append(part)
    return mails.MailSearch(
        to=found.get("to", ""),
        subject=found.get("subject", ""),
        message_id=found.get("message_id", ""),
        text=" ".join(words).strip('"'),
        start=start,
        limit=limit,
    )


def _listing(store: Store, search: mails.MailSearch) -> dict[str, Any]:
    found, total = mails.search_mails(store.reader(), search)
    return {
        "total": total,
        "unread": total,
        "count": len(found),
        "messages_count": total,
        "start": search.start,
        "tags": [],
        "messages": [_summary(mail) for mail in found],
    }


def _summary(mail: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(mail["received_ns"] / 1e9, UTC)
    return {
        "ID": str(mail["id"]),
        "MessageID": mail["message_id"],
        "From": _address(mail["headers"].get("From", mail["from"])),
        "To": [_address(one) for one in mail["to"]],
        "Subject": mail["subject"],
        "Created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "Size": mail["size"],
        "Snippet": " ".join(mail["text"].split())[:250],
        "Read": False,
        "Attachments": 0,
    }


def _address(text: str) -> dict[str, str]:
    try:
        name, address = parseaddr(text)
    except RecursionError:
        name, address = "", text
    return {"Name": name, "Address": address}
