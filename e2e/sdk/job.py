"""One job for the Python SDK: reads it as JSON from standard input, writes the answer or the refusal as JSON."""

import json
import sys

import anthropic


def client(job: dict) -> anthropic.Anthropic:
    options = {"base_url": job["base"]} | job["options"]
    if job["credential"] == "x-api-key":
        options["default_headers"] = {"X-Api-Key": job["token"]}
    else:
        options[job["credential"]] = job["token"]
    return anthropic.Anthropic(**options)


def question(job: dict) -> dict:
    return {"model": job["model"], "messages": [{"role": "user", "content": job["prompt"]}]}


def reply(message, events: list[str], request_id: str | None) -> dict:
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "model": message.model,
        "input_tokens": message.usage.input_tokens,
        "output_tokens": message.usage.output_tokens,
        "stop_reason": message.stop_reason,
        "events": events,
        "request_id": request_id,
    }


def do(job: dict):
    claude = client(job)
    if job["do"] == "models":
        return [model.id for model in claude.models.list()]
    if job["do"] == "count":
        return claude.messages.count_tokens(**question(job)).input_tokens
    if job["do"] == "message":
        message = claude.messages.create(max_tokens=256, **question(job))
        return reply(message, [], message._request_id)
    events = []
    with claude.messages.stream(max_tokens=256, **question(job)) as stream:
        for event in stream:
            # names that the SDK makes up itself are not the server's
            known = event.type.startswith(("message_", "content_block_"))
            if known and (not events or events[-1] != event.type):
                events.append(event.type)
        return reply(stream.get_final_message(), events, stream.request_id)


def refusal(error: anthropic.APIError) -> dict:
    body = error.body if isinstance(error.body, dict) else {}
    told = body.get("error") or {}
    return {
        "name": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "kind": told.get("type"),
        "message": told.get("message") or str(error),
    }


if __name__ == "__main__":
    try:
        said = {"answer": do(json.load(sys.stdin))}
    except anthropic.APIError as error:
        said = {"refused": refusal(error)}
    json.dump(said, sys.stdout)
